//! Pipelines whose memory does not depend on the data.
//!
//! A [`channel`] is a queue with a [`Bound`], in items or in bytes, and an
//! [`Overflow`] policy for what goes beyond. A [`Pipeline`] connects a source,
//! stages and a destination, and cleans up after itself. Both work with any
//! `Stream`, `Sink`, `AsyncRead` and `AsyncWrite` of `futures`, are `Send` if
//! their items and parts are, and know nothing of any async runtime.
//!
//! The rules, wherever they are used:
//!
//! - **The slow end sets the pace.** Senders wait for room; a pipeline reads
//!   nothing before its destination is ready for it.
//! - **Memory has a bound that one can name.** A channel holds at most its high
//!   mark and one item (and one for each [`SendPermit`]), a pipeline the sum of its
//!   bounds and one item for each stage. Both count their peak.
//! - **Nothing is lost in silence.** An item that is not taken is given back;
//!   one that is dropped is counted.
//! - **A part is not the whole.** That a stream ended and that it failed are
//!   told apart: a channel is closed, failed or aborted, and a destination is
//!   closed on success only.
//! - **The first error wins**, and names its stage. What follows from it is not
//!   reported. When a run answers, all of its stages are gone.
//! - **Cancelling is dropping.** Each future says what becomes of its item.
//! - **Panics pass through.** They are bugs, not failures to clean up after.
//!
//! ```
//! use futures::{executor::block_on, io::Cursor};
//! use highwater::stream::{Bound, Pipeline};
//!
//! let log = "GET /\nPOST /users\nGET /users\n";
//! let mut gets = Vec::new();
//! let run = Pipeline::from_reader("log", Cursor::new(log), 8)
//!     .buffer("read ahead", Bound::bytes(64)?)
//!     .lines("lines", 1024)
//!     .filter_map("gets", |line| line.starts_with(b"GET").then(|| [line, b"\n".to_vec()].concat()))
//!     .into_writer("output", &mut gets);
//! let report = block_on(run)?;
//! assert_eq!(gets, b"GET /\nGET /users\n");
//! assert!(report.stage("read ahead").unwrap().peak <= 64 + 8);
//!
//! // What goes wrong is named, and the destination is not closed.
//! let run = Pipeline::from_reader("log", Cursor::new(log), 8)
//!     .lines("lines", 5)
//!     .into_writer("output", futures::io::sink());
//! let error = block_on(run).unwrap_err();
//! assert_eq!(error.stage(), Some("lines"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Coming from Node's streams
//!
//! A channel with a low mark of 0, written to by
//! [`force_send`](Sender::force_send), follows a `Writable`'s rules. Random
//! scripts of operations, recorded in Node, are replayed against it by its tests.
//!
//! | Node | here |
//! |---|---|
//! | `highWaterMark` | [`Bound::bytes`], or [`Bound::items`] as in object mode, with [`low(0)`](Bound::low) |
//! | `write(chunk)` always takes it, and is `false` once `writableLength` has reached the mark | [`force_send`](Sender::force_send): `Ok(false)` |
//! | the `drain` event, once the length is 0 again | [`ready`](Sender::ready) |
//! | `writableLength` | [`Stats::queued`] |
//! | `writableNeedDrain` | `ready` would wait |
//! | `end()` | [`close`](Sender::close) |
//! | `destroy(error)` | [`abort`](Sender::abort); [`fail`](Sender::fail) if what is queued is still to be read |
//! | writing after the end is an error event | [`SendError::Closed`], with the item |
//! | `cork()` | nothing is read for a while; what is sent meanwhile counts |
//! | `for await (const chunk of readable)` | the [`Receiver`] is a `Stream` |
//! | `pipeline(source, ...stages, destination)` | [`Pipeline`] |
//! | `AbortSignal` | [`CancelHandle`], or dropping the [`PipelineRun`] |
//! | `readable.map(f, { concurrency })` | [`parallel_map`](Pipeline::parallel_map) |
//!
//! These differences are intended:
//!
//! | Node | here | why |
//! |---|---|---|
//! | the chunk being written counts until its callback | an item counts until it is read | the reader has it, and knows |
//! | an empty chunk counts as nothing | as one byte, unless a [weight](Bound::weight) of your own says so | else there could be any number of them |
//! | `write` may answer after its chunk has been written, and then does not count it | [`force_send`](Sender::force_send) answers before anybody reads; `ready` tells | the reader is another task |
//! | `destroy` leaves what is queued until the write in flight is back | [`abort`](Sender::abort) drops it at once, or when the reader next looks if that has taken it out to read | the memory is wanted now |
//! | `drain` may come after a write has failed | never after the end | there will be no room |
//! | corked after its end, it may never finish | closed, it ends when it is read | a hang explains nothing |
//! | the `false` of `write` may be ignored | [`send`](Sender::send) waits; only `force_send` asks | the default must not cost the memory |
//! | `drain` at length 0 | the low mark is half the high one | the reader has something to do while senders wake |
//! | every stream of a pipeline has a buffer | a stage has none, unless told to by [`buffer`](Pipeline::buffer) | hidden buffers cannot be bounded |
//! | `pipe` leaves the source open when the destination fails | there is no `pipe` | it leaks |
//! | `ERR_STREAM_PREMATURE_CLOSE` may hide the cause | the first error, and the name of its stage | it is what one has to know |
//! | an error is an event, later | the answer of the run or the read, once | nobody can forget to listen |
//! | a transform's `readline` keeps a line of any length | [`lines`](Pipeline::lines) has a longest | memory must not depend on the data |
//! | one thread | any | servers have more |

mod bound;
mod channel;
mod classify;
mod pipeline;
mod stage;
mod stats;
mod weigh;

pub use crate::overflow::Overflow;
pub use bound::{Bound, InvalidBound};
pub use channel::{
    ChannelSink, ClosedFuture, ReadyFuture, Receiver, ReserveFuture, SendError, SendFuture,
    SendPermit, Sender, StreamError, TryRecvError, Unfinished, channel, channel_with_clock,
};
pub use pipeline::{
    CancelHandle, Pipeline, PipelineError, PipelineMonitor, PipelineReport, PipelineRun,
    PipelineStream, StageReport,
};
pub use stage::{Batch, Chunks, LineTooLong, Lines, Stage};
pub use stats::{Amount, Stats};
pub use weigh::Weigh;
