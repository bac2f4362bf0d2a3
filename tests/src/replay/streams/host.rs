//! Runs a script against a channel, set to be like Node's `Writable`.
//!
//! **The channel's**, compared with Node's after each operation:
//!
//! - what `write` returns: the answer of `force_send`. Node decides after the
//!   destination had its chance, so if that took everything at once, `ready`
//!   is asked again.
//! - `drain`: `ready` was woken, and completes;
//! - `writableLength` and `writableNeedDrain`: what is queued, and that `ready`
//!   would wait;
//! - which chunks the destination gets, and in which order: what is read, and
//!   of what is about to be read, how many there were before it;
//! - that a write after the end is refused, and `finish`: the reader's end.
//!
//! **The host's**, since a channel has no destination and no events:
//!
//! - when the destination is given a chunk, and when it calls back. A channel
//!   counts an item until it is read, Node until it is written: the host reads
//!   it when the callback comes.
//! - `cork`: the host gives nothing to the destination. What is written
//!   meanwhile is in the channel, and counts.
//! - that an error destroys, that `error` comes before `close`, and that both
//!   come once and in the next tick. A write that goes on when the stream is
//!   destroyed keeps its length, and that of all behind it, until its callback
//!   comes: the channel fails, and is aborted then. Otherwise it is aborted at
//!   once.
//! - that a write whose destination fails before it returns is `false`, and
//!   destroys in the next tick: the channel is not told before.

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

/// What is left for later, as by `process.nextTick`.
enum Tick {
    Callback,
    Drain,
    /// Because of an error before the write returned: until then it has not
    /// happened, and `drain` may come before it.
    Destroy(String),
    /// The last events, with an error's code.
    Close(Option<String>),
}

struct Host<'a> {
    script: &'a Script,
    sender: &'a Sender<Chunk>,
    receiver: Receiver<Chunk>,
    drain: Drain<'a, Chunk>,
    /// How many chunks have been written to the stream, and been given.
    chunks: u64,
    gives: usize,
    /// How many the destination has not called back for.
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
        // As there, an empty chunk counts as nothing.
        Bound::weight(high, T::weight)?
    };
    bound.low(0)
}

/// What ours makes of a script.
pub(super) fn run(script: &Script) -> Vec<String> {
    let bound = bound(script).expect("the script was checked");
    let (sender, receiver) = channel(bound, Overflow::Wait);
    let mut host = Host {
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
        host.perform(*operation);
        host.settle();
        let length = host.sender.stats().queued.weight;
        let waits = host.waits();
        host.note(format!("is {length} {waits}"));
    }
    host.trace
}

impl Host<'_> {
    fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Write(size) => {
                let go_on = self.write(size);
                self.note(go_on.to_string());
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
        (has_room || !self.waits()) && !self.has_failed
    }

    fn end(&mut self) {
        self.corks = 0;
        self.give();
        // What has failed does not end as well.
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

    /// Drops what is queued. The reader is told so, and drops what it took out
    /// to read.
    fn abort(&mut self) {
        self.sender.abort();
        if !matches!(self.read(), Poll::Ready(Some(Err(StreamError::Aborted)))) {
            self.note("the reader was not told".to_owned());
        }
    }

    /// Gives the destination what it may have: all there is at once, if it has
    /// a `writev`.
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
            self.note(format!("give {}", range(&given)));
            let answers = &self.script.answers;
            let answer = answers[self.gives % answers.len()];
            self.gives += 1;
            match answer {
                Answer::Later => {}
                Answer::Soon => self.ticks.push_back(Tick::Callback),
                Answer::Now => {
                    self.take("done");
                    // For objects, Node looks then whatever there is now.
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

    /// The destination has written what it was given, and there may be more.
    fn called_back(&mut self) {
        self.take("done");
        self.give();
        self.look_for_drain();
    }

    /// The destination could not write what it was given. Returns the error's
    /// code.
    fn failed(&mut self) -> String {
        self.has_failed = true;
        format!("WRITE_{}", self.take("fail"))
    }

    /// The callback of what is in flight, which is read now. Returns what it
    /// was.
    fn take(&mut self, word: &str) -> String {
        let mut numbers = Vec::new();
        for _ in 0..std::mem::take(&mut self.in_flight) {
            match self.read() {
                Poll::Ready(Some(Ok(chunk))) => numbers.push(chunk.number),
                _ => self.note("it cannot be read".to_owned()),
            }
        }
        if self.is_destroyed {
            self.abort();
        }
        let range = range(&numbers);
        self.note(format!("{word} {range}"));
        range
    }

    /// Until nothing is left for later.
    fn settle(&mut self) {
        loop {
            while let Some(tick) = self.ticks.pop_front() {
                match tick {
                    Tick::Callback => self.called_back(),
                    Tick::Drain => self.look_for_drain(),
                    Tick::Destroy(code) => self.destroy(Some(code)),
                    Tick::Close(code) => {
                        let error = code.map(|code| format!("error {code}"));
                        self.trace.extend(error);
                        self.note("close".to_owned());
                    }
                }
            }
            let is_over = self.is_destroyed || self.sender.stats().queued.items > 0;
            if is_over || !matches!(self.read(), Poll::Ready(None)) {
                return;
            }
            self.note("finish".to_owned());
            self.is_destroyed = true;
            self.ticks.push_back(Tick::Close(None));
        }
    }

    /// What can be read at once, which may be the end.
    fn read(&mut self) -> Poll<Option<Result<Chunk, StreamError>>> {
        let mut context = Context::from_waker(Waker::noop());
        self.receiver.poll_next_unpin(&mut context)
    }

    /// Whether a writer would have to wait. A wait that is over is told of first.
    fn waits(&mut self) -> bool {
        self.look_for_drain();
        self.drain.waits()
    }

    fn look_for_drain(&mut self) {
        if self.drain.has_come() {
            self.note("drain".to_owned());
        }
    }

    fn note(&mut self, step: String) {
        self.trace.push(step);
    }
}

/// Successive numbers by the first and the last of them.
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
