//! Runs a script against a channel, configured like Node's `Writable`.
//!
//! **Provided by the channel** and compared with Node after each operation:
//!
//! - the result of `write`: the result of `force_send`. Node decides after the
//!   destination had its turn, so `ready` is checked again if the destination has taken
//!   everything at once;
//! - `drain`: `ready` is woken and completes;
//! - `writableLength` and `writableNeedDrain`: the queued weight, and whether `ready`
//!   would wait;
//! - the chunks that the destination gets, and their order: the received items. For a
//!   chunk about to be read, the number of chunks before it;
//! - writes after the end are rejected, and `finish`: the end of the receiver.
//!
//! **Emulated by the runner**, since a channel has no destination and no events:
//!
//! - the times at which the destination gets a chunk and calls back. A channel counts an
//!   item until it is read, Node until it is written, so the runner reads it on the
//!   callback;
//! - `cork`: the runner gives nothing to the destination. Chunks written in the meantime
//!   are in the channel and count;
//! - an error destroys the stream; `error` comes before `close`, each once and in the next
//!   tick. If a write is in flight when the stream is destroyed, it and all later chunks
//!   keep their length until its callback. The channel then fails, and is aborted on the
//!   callback. Otherwise it is aborted at once;
//! - a write whose destination fails before it returns is `false` and destroys the stream
//!   in the next tick. Until then the channel does not fail.

use std::collections::VecDeque;
use std::task::{Context, Poll, Waker};

use futures::StreamExt as _;
use highwater::stream::{
    Bound, InvalidBound, Overflow, Receiver, Sender, StreamError, Weigh, channel,
};

use super::drain::Drain;
use super::script::{Answer, Operation, Script};

struct Chunk {
    number: u64,
    size: usize,
}

impl Weigh for Chunk {
    fn weight(&self) -> usize {
        self.size
    }
}

/// A deferred action, as by `process.nextTick`.
enum Tick {
    Callback,
    Drain,
    /// An error before the write has returned. It takes effect now, and `drain` may come
    /// before it.
    Destroy(String),
    /// The final events, with the code of an error.
    Close(Option<String>),
}

struct Runner<'a> {
    script: &'a Script,
    sender: &'a Sender<Chunk>,
    receiver: Receiver<Chunk>,
    drain: Drain<'a, Chunk>,
    /// Chunks written to the stream.
    chunks: u64,
    /// Writes to the destination.
    gives: usize,
    /// Chunks for which the destination has not called back.
    in_flight: u64,
    corks: u32,
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
    bound.low(0)
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
        chunks: 0,
        gives: 0,
        in_flight: 0,
        corks: 0,
        has_failed: false,
        is_destroyed: false,
        ticks: VecDeque::new(),
        trace: Vec::new(),
    };
    for operation in &script.operations {
        runner.perform(*operation);
        runner.settle();
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
            Operation::Done => self.called_back(),
            Operation::Fail => {
                let code = self.failed();
                self.destroy(Some(code));
            }
            Operation::Cork => self.corks += 1,
            Operation::Uncork => {
                self.corks = self.corks.saturating_sub(1);
                self.give();
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
        let number = self.chunks;
        self.chunks += 1;
        let Ok(has_room) = self.sender.force_send(Chunk { number, size }) else {
            self.destroy(Some("ERR_STREAM_WRITE_AFTER_END".to_owned()));
            return false;
        };
        self.give();
        (has_room || !self.must_wait()) && !self.has_failed
    }

    fn end(&mut self) {
        self.corks = 0;
        self.give();
        // A failed stream does not end regularly.
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

    /// Aborts the channel, and lets the reader drop its batch.
    fn abort(&mut self) {
        self.sender.abort();
        if !matches!(self.read(), Poll::Ready(Some(Err(StreamError::Aborted)))) {
            self.record("the reader did not get the abort".to_owned());
        }
    }

    /// Gives the destination the next chunk, or all chunks if it has a `writev`.
    fn give(&mut self) {
        while self.in_flight == 0 && self.corks == 0 && !self.is_destroyed {
            let stats = self.sender.stats();
            let queued = stats.queued.items;
            if queued == 0 {
                return;
            }
            self.in_flight = if self.script.writev { queued } else { 1 };
            let first = stats.received.items;
            let given: Vec<u64> = (first..first + self.in_flight).collect();
            self.record(format!("give {}", range(&given)));
            let answers = &self.script.answers;
            let answer = answers[self.gives % answers.len()];
            self.gives += 1;
            match answer {
                Answer::Later => {}
                Answer::Soon => self.ticks.push_back(Tick::Callback),
                Answer::Now => {
                    self.read_in_flight("done");
                    // In object mode, Node checks for `drain` in any case.
                    if self.script.object_mode || self.drain.is_due() {
                        self.ticks.push_back(Tick::Drain);
                    }
                }
                Answer::NowFail => {
                    let code = self.failed();
                    self.ticks.push_back(Tick::Destroy(code));
                }
            }
        }
    }

    /// Handles a successful callback of the destination.
    fn called_back(&mut self) {
        self.read_in_flight("done");
        self.give();
        self.emit_drain_if_due();
    }

    /// Handles a failed callback of the destination. Returns the code of the error.
    fn failed(&mut self) -> String {
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
    fn settle(&mut self) {
        loop {
            while let Some(tick) = self.ticks.pop_front() {
                match tick {
                    Tick::Callback => self.called_back(),
                    Tick::Drain => self.emit_drain_if_due(),
                    Tick::Destroy(code) => self.destroy(Some(code)),
                    Tick::Close(code) => {
                        let error = code.map(|code| format!("error {code}"));
                        self.trace.extend(error);
                        self.record("close".to_owned());
                    }
                }
            }
            let is_over = self.is_destroyed || self.sender.stats().queued.items > 0;
            if is_over || !matches!(self.read(), Poll::Ready(None)) {
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

    /// Returns whether a writer has to wait. A completed wait emits `drain` first.
    fn must_wait(&mut self) -> bool {
        self.emit_drain_if_due();
        self.drain.must_wait()
    }

    fn emit_drain_if_due(&mut self) {
        if self.drain.has_come() {
            self.record("drain".to_owned());
        }
    }

    fn record(&mut self, step: String) {
        self.trace.push(step);
    }
}

/// Formats consecutive numbers as a range.
fn range(numbers: &[u64]) -> String {
    let follow = numbers.windows(2).all(|pair| pair[1] == pair[0] + 1);
    match numbers {
        [first, .., last] if follow => format!("{first}-{last}"),
        _ => {
            let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
            numbers.join(",")
        }
    }
}
