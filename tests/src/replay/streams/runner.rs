//! Runs scripts against a channel, configured like Node's `Writable`.
//!
//! **Provided by the channel** and compared with Node after each operation:
//!
//! - the result of `write` is the result of `force_send`. Node determines it after
//!   calling the destination, so the runner checks `ready` again in case the
//!   destination has already taken all chunks;
//! - `drain` is emitted when `ready` is woken and completes;
//! - `writableLength` is the queued weight, and `writableNeedDrain` is whether `ready`
//!   would wait;
//! - the chunks written to the destination, in order, are the received items. A chunk
//!   that is not read yet is identified by the number of chunks before it;
//! - writes after the end are rejected;
//!
//! **Emulated by the runner**, since a channel has no destination and no events:
//!
//! - the destination's writes and callbacks. A channel counts an item until it is read,
//!   Node until it is written, so the runner reads the item when the callback is
//!   called;
//! - `cork`: the runner writes nothing to the destination. Chunks written in the
//!   meantime are queued in the channel and count;
//! - errors: an error destroys the stream, which emits `error` and then `close`, each
//!   once, in the next tick. If a write is in flight, it and all later chunks count
//!   until its callback, so the channel fails and is aborted on the callback. Otherwise
//!   it is aborted immediately;
//! - a write that fails before it returns: `write` returns `false`, and the stream is
//!   destroyed in the next tick. Until then the channel does not fail.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use futures::StreamExt as _;
use highwater::stream::{
    Bound, InvalidBound, Overflow, Receiver, Sender, StreamError, Weigh, channel,
};

use super::drain::Drain;
use super::script::{CallbackTime, Operation, Script};

struct Chunk {
    number: u64,
    size: usize,
}

impl Weigh for Chunk {
    fn weight(&self) -> usize {
        self.size
    }
}

/// A deferred action, like a callback of `process.nextTick`.
enum Tick {
    Callback,
    Drain,
    /// Destroys the stream because a write failed before it returned. `drain` may come
    /// first.
    Destroy(String),
    /// Emits the final events, with the error code, if any.
    Close(Option<String>),
}

struct Runner<'a> {
    script: &'a Script,
    sender: &'a Sender<Chunk>,
    receiver: Receiver<Chunk>,
    drain: Drain<'a, Chunk>,
    /// Number of chunks written to the stream.
    chunk_count: u64,
    /// Number of writes to the destination.
    write_count: usize,
    /// Number of chunks whose callback is pending.
    in_flight: u64,
    cork_count: u32,
    has_failed: bool,
    is_destroyed: bool,
    ticks: VecDeque<Tick>,
    trace: Vec<String>,
}

pub(super) fn bound<T: Weigh>(script: &Script) -> Result<Bound<T>, InvalidBound> {
    let high = script.high_water_mark;
    let bound = if script.object_mode {
        Bound::items(high)?
    } else {
        // As in Node, an empty chunk weighs nothing.
        Bound::weight(high, T::weight)?
    };
    bound.with_low_water_mark(0)
}

/// Runs a script and returns its trace.
pub(super) fn run(script: &Script) -> Vec<String> {
    let bound = bound(script).expect("the script is valid");
    let (sender, receiver) = channel(bound, Overflow::Wait);
    let mut runner = Runner {
        script,
        sender: &sender,
        receiver,
        drain: Drain::new(&sender),
        chunk_count: 0,
        write_count: 0,
        in_flight: 0,
        cork_count: 0,
        has_failed: false,
        is_destroyed: false,
        ticks: VecDeque::new(),
        trace: Vec::new(),
    };
    for operation in &script.operations {
        runner.perform(*operation);
        runner.run_ticks();
        let length = runner.sender.stats().queued.weight;
        let must_wait = runner.must_wait();
        runner.record(format!("is {length} {must_wait}"));
    }
    runner.trace
}

impl Runner<'_> {
    fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Write(size) => {
                let has_room = self.write(size);
                self.record(has_room.to_string());
            }
            Operation::Done | Operation::Fail if self.in_flight == 0 => {}
            Operation::Done => self.on_write_done(),
            Operation::Fail => {
                let code = self.on_write_failed();
                self.destroy(Some(code));
            }
            Operation::Cork => self.cork_count += 1,
            Operation::Uncork => {
                self.cork_count = self.cork_count.saturating_sub(1);
                self.write_to_destination();
            }
            Operation::EndWith(size) => {
                self.write(size);
                self.end();
            }
            Operation::End => self.end(),
            Operation::Destroy => self.destroy(None),
            Operation::DestroyWith => self.destroy(Some("DESTROYED".to_owned())),
        }
    }

    fn write(&mut self, size: usize) -> bool {
        let number = self.chunk_count;
        self.chunk_count += 1;
        let Ok(has_room) = self.sender.force_send(Chunk { number, size }) else {
            self.destroy(Some("ERR_STREAM_WRITE_AFTER_END".to_owned()));
            return false;
        };
        self.write_to_destination();
        (has_room || !self.must_wait()) && !self.has_failed
    }

    fn end(&mut self) {
        self.cork_count = 0;
        self.write_to_destination();
        // A failed stream is not closed.
        if !self.has_failed {
            self.sender.close();
        }
    }

    fn destroy(&mut self, code: Option<String>) {
        if self.is_destroyed {
            return;
        }
        self.is_destroyed = true;
        if self.in_flight == 0 {
            self.abort();
        } else {
            self.sender.fail("destroyed");
        }
        self.ticks.push_back(Tick::Close(code));
    }

    /// Aborts the channel and reads from it, so that the reader drops its batch.
    fn abort(&mut self) {
        self.sender.abort();
        if !matches!(self.read(), Poll::Ready(Some(Err(StreamError::Aborted)))) {
            self.record("the reader received no abort error".to_owned());
        }
    }

    /// Writes the next chunk to the destination, or all queued chunks if it has
    /// `writev`.
    fn write_to_destination(&mut self) {
        while self.in_flight == 0 && self.cork_count == 0 && !self.is_destroyed {
            let stats = self.sender.stats();
            let queued = stats.queued.items;
            if queued == 0 {
                return;
            }
            self.in_flight = if self.script.writev { queued } else { 1 };
            let first = stats.received.items;
            let numbers: Vec<u64> = (first..first + self.in_flight).collect();
            self.record(format!("give {}", range(&numbers)));
            let answers = &self.script.answers;
            let callback_time = answers[self.write_count % answers.len()];
            self.write_count += 1;
            match callback_time {
                CallbackTime::Later => {}
                CallbackTime::Soon => self.ticks.push_back(Tick::Callback),
                CallbackTime::Now => {
                    self.read_in_flight("done");
                    // In object mode, Node always checks for `drain`.
                    if self.script.object_mode || self.drain.is_woken() {
                        self.ticks.push_back(Tick::Drain);
                    }
                }
                CallbackTime::NowFail => {
                    let code = self.on_write_failed();
                    self.ticks.push_back(Tick::Destroy(code));
                }
            }
        }
    }

    /// Handles a successful callback of the destination.
    fn on_write_done(&mut self) {
        self.read_in_flight("done");
        self.write_to_destination();
        self.emit_drain_if_due();
    }

    /// Handles a failed callback of the destination. Returns the error code.
    fn on_write_failed(&mut self) -> String {
        self.has_failed = true;
        format!("WRITE_{}", self.read_in_flight("fail"))
    }

    /// Reads the chunks in flight from the channel. Returns their numbers.
    fn read_in_flight(&mut self, word: &str) -> String {
        let mut numbers = Vec::new();
        for _ in 0..std::mem::take(&mut self.in_flight) {
            match self.read() {
                Poll::Ready(Some(Ok(chunk))) => numbers.push(chunk.number),
                _ => self.record("a chunk in flight cannot be read".to_owned()),
            }
        }
        if self.is_destroyed {
            self.abort();
        }
        let range = range(&numbers);
        self.record(format!("{word} {range}"));
        range
    }

    /// Runs all deferred actions.
    fn run_ticks(&mut self) {
        loop {
            while let Some(tick) = self.ticks.pop_front() {
                match tick {
                    Tick::Callback => self.on_write_done(),
                    Tick::Drain => self.emit_drain_if_due(),
                    Tick::Destroy(code) => self.destroy(Some(code)),
                    Tick::Close(code) => {
                        let error = code.map(|code| format!("error {code}"));
                        self.trace.extend(error);
                        self.record("close".to_owned());
                    }
                }
            }
            let cannot_finish = self.is_destroyed || self.sender.stats().queued.items > 0;
            if cannot_finish || !matches!(self.read(), Poll::Ready(None)) {
                return;
            }
            self.record("finish".to_owned());
            self.is_destroyed = true;
            self.ticks.push_back(Tick::Close(None));
        }
    }

    /// Polls the receiver.
    fn read(&mut self) -> Poll<Option<Result<Chunk, StreamError>>> {
        let mut context = Context::from_waker(Waker::noop());
        self.receiver.poll_next_unpin(&mut context)
    }

    /// Returns whether a writer must wait. Emits `drain` first if a wait has completed.
    fn must_wait(&mut self) -> bool {
        self.emit_drain_if_due();
        self.drain.must_wait()
    }

    fn emit_drain_if_due(&mut self) {
        if self.drain.poll_woken() {
            self.record("drain".to_owned());
        }
    }

    fn record(&mut self, step: String) {
        self.trace.push(step);
    }
}

/// Formats consecutive numbers as a range.
fn range(numbers: &[u64]) -> String {
    let are_consecutive = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    match numbers {
        [first, .., last] if are_consecutive => format!("{first}-{last}"),
        _ => {
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            numbers.join(",")
        }
    }
}
