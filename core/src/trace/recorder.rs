//! Writing a trace.

use super::{Counters, Event, NameId, Phase, RecordKind, Ring};
use crate::Clock;
use serde::{Deserialize, Serialize};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// Writes records, from any thread. Clones write to the same trace.
///
/// It never waits for a reader: when the ring is full, the oldest record is
/// dropped and counted.
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<RecorderShared>,
    thread: u32,
    is_counting_only: bool,
}

struct RecorderShared {
    clock: Arc<dyn Clock>,
    state: Mutex<State>,
}

struct State {
    ring: Ring<Event>,
    names: Vec<String>,
    drained_names: usize,
    counters: Vec<Counters>,
    recorded: u64,
}

impl Recorder {
    /// A recorder that keeps at most `capacity` undrained records.
    #[must_use]
    pub fn new(clock: Arc<dyn Clock>, capacity: usize) -> Self {
        let state = State {
            ring: Ring::new(capacity),
            names: Vec::new(),
            drained_names: 0,
            counters: Vec::new(),
            recorded: 0,
        };
        Recorder {
            shared: Arc::new(RecorderShared {
                clock,
                state: Mutex::new(state),
            }),
            thread: 0,
            is_counting_only: false,
        }
    }

    /// The same trace, written to by another thread. By convention 0 is the
    /// loop.
    #[must_use]
    pub fn on_thread(&self, thread: u32) -> Self {
        Recorder {
            thread,
            ..self.clone()
        }
    }

    /// The same trace, with no record of what is written: the source's totals
    /// grow by it, and stand in its next record. For one of so many that nobody
    /// would read them all; who reads percentiles then reads those of the others.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let service = recorder.name("EmailService");
    /// recorder.counting().begin(RecordKind::Handle, service, 1).succeed();
    /// recorder.begin(RecordKind::Handle, service, 2).succeed();
    ///
    /// let events = recorder.drain().events;
    /// assert_eq!(events.len(), 2);
    /// assert_eq!(events[1].counters.succeeded, 2);
    /// ```
    #[must_use]
    pub fn counting(&self) -> Self {
        Recorder {
            is_counting_only: true,
            ..self.clone()
        }
    }

    /// The id of a name, entered into the table at its first use.
    ///
    /// The table only grows: name services and causes, never data.
    #[must_use]
    pub fn name(&self, name: &str) -> NameId {
        let mut state = self.state();
        if let Some(index) = state.names.iter().position(|known| known == name) {
            return NameId::from_index(index);
        }
        state.names.push(name.to_owned());
        state.counters.push(Counters::default());
        NameId::from_index(state.names.len() - 1)
    }

    /// Records that something takes place now and takes no time.
    pub fn instant(&self, kind: RecordKind, source: NameId, subject: u64) {
        self.write(kind, Phase::Instant, source, None, subject, None, None);
    }

    /// As [`instant`](Self::instant), with a cause: a short fixed text, since it
    /// enters the table of names.
    pub fn instant_with_cause(&self, kind: RecordKind, source: NameId, subject: u64, cause: &str) {
        let cause = Some(self.name(cause));
        self.write(kind, Phase::Instant, source, None, subject, None, cause);
    }

    /// Records that `source` passes something on to `target`.
    pub fn send(&self, kind: RecordKind, source: NameId, target: NameId, subject: u64) {
        self.write(
            kind,
            Phase::Instant,
            source,
            Some(target),
            subject,
            None,
            None,
        );
    }

    /// Records that something begins now. The span's end is recorded by
    /// [`Span::succeed`] or [`Span::fail`], or as cancelled when it is dropped.
    pub fn begin(&self, kind: RecordKind, source: NameId, subject: u64) -> Span {
        self.begin_at(self.shared.clock.now(), kind, source, subject)
    }

    /// As [`begin`](Self::begin), for something that was due at `at`.
    ///
    /// A request counts from when it arrived, not from when the busy server
    /// got round to it; measuring from the latter hides exactly the delay one
    /// is looking for (Gil Tene's "coordinated omission").
    ///
    /// What is due later begins now: timers of some worlds fire a little early.
    pub fn begin_at(&self, at: Duration, kind: RecordKind, source: NameId, subject: u64) -> Span {
        let at = self.write(kind, Phase::Begin, source, None, subject, Some(at), None);
        Span {
            recorder: self.clone(),
            kind,
            source,
            subject,
            at,
            open: true,
        }
    }

    /// Takes all records made since the last drain.
    #[must_use]
    pub fn drain(&self) -> RecordBatch {
        let mut state = self.state();
        let first_name = state.drained_names;
        let names = state.names[first_name..].to_vec();
        state.drained_names = state.names.len();
        RecordBatch {
            first_name,
            names,
            events: state.ring.drain().collect(),
            dropped: state.ring.dropped(),
        }
    }

    /// How many records were made so far, drained and dropped ones included.
    #[must_use]
    pub fn recorded(&self) -> u64 {
        self.state().recorded
    }

    /// Answers when what is recorded began.
    #[expect(clippy::too_many_arguments, reason = "the record's own fields")]
    fn write(
        &self,
        kind: RecordKind,
        phase: Phase,
        source: NameId,
        target: Option<NameId>,
        subject: u64,
        began: Option<Duration>,
        failure: Option<NameId>,
    ) -> Duration {
        let mut state = self.state();
        // Read under the lock, so that the order of records is the order of time.
        let now = self.shared.clock.now();
        let Some(counters) = state.counters.get_mut(source.index()) else {
            debug_assert!(false, "a name of another recorder");
            return now;
        };
        match (phase, failure) {
            (Phase::Begin | Phase::End, _) if !kind.is_work() => {}
            (Phase::Begin, _) => counters.started += 1,
            (Phase::End, None) => counters.succeeded += 1,
            (Phase::End, Some(_)) => counters.failed += 1,
            (Phase::Instant, _) => counters.sent += u64::from(kind.is_message()),
        }
        let counters = *counters;
        // Never later than now, or records would not be in the order of time.
        let at = began.unwrap_or(now).min(now);
        if self.is_counting_only {
            return at;
        }
        state.recorded += 1;
        state.ring.push(Event {
            at,
            duration: now.saturating_sub(at),
            source,
            target,
            kind,
            phase,
            subject,
            failure,
            counters,
            thread: self.thread,
        });
        at
    }

    /// A panic elsewhere leaves whole records behind, so a poisoned lock is
    /// no reason to lose the trace that explains the panic.
    fn state(&self) -> MutexGuard<'_, State> {
        self.shared
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder")
            .field("recorded", &self.recorded())
            .field("thread", &self.thread)
            .finish_non_exhaustive()
    }
}

/// Something that began and has to end.
///
/// Dropped without an end, as when its future is cancelled or the code panics,
/// it is recorded as failed with the cause `cancelled`: what is in flight
/// stays right.
#[must_use = "a span that is dropped at once is recorded as cancelled"]
#[derive(Debug)]
pub struct Span {
    recorder: Recorder,
    kind: RecordKind,
    source: NameId,
    subject: u64,
    at: Duration,
    open: bool,
}

impl Span {
    /// Records that it ended well.
    pub fn succeed(mut self) {
        self.end(None);
    }

    /// Records that it ended in failure, and the cause: a short fixed text,
    /// since it enters the table of names.
    pub fn fail(mut self, cause: &str) {
        self.end(Some(cause));
    }

    fn end(&mut self, cause: Option<&str>) {
        self.open = false;
        let failure = cause.map(|cause| self.recorder.name(cause));
        self.recorder.write(
            self.kind,
            Phase::End,
            self.source,
            None,
            self.subject,
            Some(self.at),
            failure,
        );
    }
}

impl Drop for Span {
    fn drop(&mut self) {
        if self.open {
            self.end(Some("cancelled"));
        }
    }
}

/// What was recorded since the last drain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct RecordBatch {
    /// The place of the first of `names` in the table of names.
    pub first_name: usize,
    /// Names entered since the last drain.
    pub names: Vec<String>,
    /// The records, oldest first.
    pub events: Vec<Event>,
    /// Records dropped since the start of the run.
    pub dropped: u64,
}

impl RecordBatch {
    /// Keeps the first `records` records, and every name, and answers the batch
    /// that comes next: for who takes a little at a time. It is empty if there were
    /// no more.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let queue = recorder.name("queue");
    /// (0..5).for_each(|subject| recorder.instant(RecordKind::Level, queue, subject));
    ///
    /// let mut batch = recorder.drain();
    /// let rest = batch.split_off(3);
    /// assert_eq!((batch.events.len(), rest.events.len()), (3, 2));
    /// assert_eq!((batch.names.len(), rest.first_name), (1, 1));
    /// ```
    #[must_use = "what is not kept is in the answer alone"]
    pub fn split_off(&mut self, records: usize) -> RecordBatch {
        RecordBatch {
            first_name: self.first_name + self.names.len(),
            names: Vec::new(),
            events: self.events.split_off(records.min(self.events.len())),
            dropped: self.dropped,
        }
    }
}
