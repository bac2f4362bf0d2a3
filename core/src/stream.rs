//! Channels and pipelines with backpressure. Their memory use does not depend on the
//! amount of data.
//!
//! A [`channel`] is a queue with a [`Bound`], in items or in bytes, and an [`Overflow`]
//! policy for when it is full. A [`Pipeline`] connects a source, stages and a
//! destination, and cleans up after itself. Both work with the `Stream`, `Sink`,
//! `AsyncRead` and `AsyncWrite` traits of `futures` and on any async runtime. They are
//! `Send` if their items and parts are.
//!
//! Guarantees:
//!
//! - **Backpressure.** Senders wait for room. A pipeline reads only when its
//!   destination is ready.
//! - **Bounded memory.** A channel holds at most its high-water mark plus one item,
//!   plus one more item per [`SendPermit`]. A pipeline holds at most the sum of its
//!   bounds plus one item per stage. Both record their peak.
//! - **No silent loss.** A rejected item is returned to the sender. A dropped item is
//!   counted.
//! - **No silent truncation.** A reader can tell a complete stream from a failed one: a
//!   channel ends by being closed, failed or aborted, and a destination is closed only
//!   on success.
//! - **The first error wins.** It names the stage that failed; errors that follow from
//!   it are not reported. When a run returns, all of its stages have been dropped.
//! - **Dropping a future cancels it.** The docs of each future say what happens to its
//!   item.
//! - **Panics propagate.** They are bugs, not failures to recover from.
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
//! // An error names its stage, and the destination is not closed.
//! let run = Pipeline::from_reader("log", Cursor::new(log), 8)
//!     .lines("lines", 5)
//!     .into_writer("output", futures::io::sink());
//! let error = block_on(run).unwrap_err();
//! assert_eq!(error.stage(), Some("lines"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Coming from Node streams
//!
//! A channel with a low-water mark of 0, written with
//! [`force_send`](Sender::force_send), behaves like a Node `Writable`. The test suite
//! records random operation scripts in Node and replays them against a channel.
//!
//! | Node | Highwater |
//! |---|---|
//! | `highWaterMark` | [`Bound::bytes`], or [`Bound::items`] for object mode, with a [low-water mark](Bound::with_low_water_mark) of 0 |
//! | `write(chunk)` always accepts the chunk and returns `false` once `writableLength` reaches the high-water mark | [`force_send`](Sender::force_send) returns `Ok(false)` |
//! | the `drain` event, once `writableLength` is 0 again | [`ready`](Sender::ready) |
//! | `writableLength` | [`Stats::queued`] |
//! | `writableNeedDrain` | `ready` would wait |
//! | `end()` | [`close`](Sender::close) |
//! | `destroy(error)` | [`abort`](Sender::abort), or [`fail`](Sender::fail) if queued items should still be read |
//! | a write after `end()` emits an `error` event | [`SendError::Closed`], which contains the item |
//! | `cork()` | stop reading; items sent in the meantime count towards the bound |
//! | `for await (const chunk of readable)` | the [`Receiver`] is a `Stream` |
//! | `pipeline(source, ...stages, destination)` | [`Pipeline`] |
//! | `AbortSignal` | [`CancelHandle`], or dropping the [`PipelineRun`] |
//! | `readable.map(f, { concurrency })` | [`parallel_map`](Pipeline::parallel_map) |
//!
//! Intended differences:
//!
//! | Node | Highwater | reason |
//! |---|---|---|
//! | a chunk counts until its write callback is called | an item counts until it is read | the reader then owns it |
//! | an empty chunk weighs nothing | it weighs one byte, unless you set your own [weight](Bound::weight) | the number of empty items must be bounded too |
//! | a chunk that is written before `write` returns does not count | [`force_send`](Sender::force_send) returns before the item is read; `ready` reports room | the reader is another task |
//! | `destroy` keeps queued chunks until the write in flight returns | [`abort`](Sender::abort) drops them at once; items the reader has already taken are dropped on its next read | memory is released as early as possible |
//! | `drain` may fire after a write has failed | `ready` never succeeds after the end | an ended channel never has room again |
//! | a stream corked after its end may never finish | a closed channel ends once its items are read | a hang hides its cause |
//! | callers can ignore that `write` returned `false` | [`send`](Sender::send) waits; only `force_send` leaves waiting to the caller | the default must bound memory |
//! | `drain` fires at length 0 | the low-water mark defaults to half the high-water mark | the reader stays busy while senders wake |
//! | every stream of a pipeline has a buffer | a stage has none unless you add a [`buffer`](Pipeline::buffer) | hidden buffers cannot be bounded |
//! | `pipe` leaves the source open when the destination fails | there is no `pipe` | open sources leak |
//! | `ERR_STREAM_PREMATURE_CLOSE` may hide the cause | the first error, with the name of its stage | the cause is what you debug |
//! | errors are events | the run or the read returns the error, once | a result cannot be left unhandled by accident |
//! | `readline` buffers lines of any length | [`lines`](Pipeline::lines) has a maximum length | memory must not depend on the data |
//! | single-threaded | `Send` and `Sync` | servers have more than one core |

mod bound;
mod channel;
mod classify;
mod pipeline;
mod stage;
mod weigh;

pub use crate::{
    bounded_queue::{Amount, Stats},
    overflow::Overflow,
};
pub use bound::{Bound, InvalidBound};
pub use channel::{
    ChannelMonitor, ChannelSink, ClosedFuture, ReadyFuture, Receiver, ReserveFuture, SendError,
    SendFuture, SendPermit, Sender, StreamError, TryRecvError, Unfinished, channel,
    channel_with_clock,
};
pub use pipeline::{
    BoxedPipeline, CancelHandle, Pipeline, PipelineError, PipelineMonitor, PipelineReport,
    PipelineRun, PipelineStream, StageReport,
};
pub use stage::{Batch, Chunks, LineTooLong, Lines, Stage};
pub use weigh::Weigh;
