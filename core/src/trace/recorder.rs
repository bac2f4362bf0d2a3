//! The recorder, which writes a trace.

use super::{Counters, Event, NameId, Phase, RecordKind, Ring};
use crate::Clock;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

/// A writer of records, usable from any thread. Clones write to the same trace.
///
/// It never waits for a reader: when the ring is full, the oldest record is dropped
/// and counted.
///
/// ```
/// use highwater::trace::{RecordKind, Recorder};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// let (api, mail) = (recorder.name("Api"), recorder.name("EmailService"));
/// let request = recorder.begin(RecordKind::Request, api, 7);
/// recorder.send(RecordKind::Call, api, mail, 7);
/// request.succeed();
/// assert_eq!(recorder.recorded(), 3);
/// ```
#[derive(Clone)]
pub struct Recorder {
    shared: Arc<RecorderShared>,
    thread: u32,
    writes: Writes,
}

/// The records that a recorder writes. It counts the others.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Writes {
    All,
    Ends,
    Nothing,
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
    /// Creates a recorder that keeps at most `capacity` records between drains.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 2);
    /// let queue = recorder.name("queue");
    /// (0..5).for_each(|bytes| recorder.instant(RecordKind::Level, queue, bytes));
    /// let batch = recorder.drain();
    /// assert_eq!((batch.events.len(), batch.dropped), (2, 3));
    /// ```
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
            writes: Writes::All,
        }
    }

    /// Returns a recorder of the same trace for another thread. By convention 0 is
    /// the loop.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let pool = recorder.name("pool");
    /// recorder.on_thread(2).begin(RecordKind::Compute, pool, 1).succeed();
    /// assert_eq!(recorder.drain().events[0].thread, 2);
    /// ```
    #[must_use]
    pub fn on_thread(&self, thread: u32) -> Self {
        Recorder {
            thread,
            ..self.clone()
        }
    }

    /// Returns a recorder that only counts: it adds to the totals of the source,
    /// which appear in the next record, and writes no records. It is meant for
    /// sampling: with too many spans to record them all, percentiles cover the
    /// recorded ones.
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
        self.writing(Writes::Nothing)
    }

    /// Returns a recorder that writes only the ends of spans and counts the rest. An
    /// end contains the duration, so latencies are complete with half the records.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let service = recorder.name("EmailService");
    /// recorder.ends_only().begin(RecordKind::Handle, service, 1).succeed();
    ///
    /// let events = recorder.drain().events;
    /// assert_eq!(events.len(), 1);
    /// assert_eq!((events[0].counters.started, events[0].counters.succeeded), (1, 1));
    /// ```
    #[must_use]
    pub fn ends_only(&self) -> Self {
        self.writing(Writes::Ends)
    }

    fn writing(&self, writes: Writes) -> Self {
        Recorder {
            writes,
            ..self.clone()
        }
    }

    /// Returns the id of a name, and adds the name to the table on first use.
    ///
    /// The table only grows, so use it for services and causes, never for data.
    ///
    /// ```
    /// use highwater::trace::Recorder;
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let api = recorder.name("Api");
    /// assert_eq!(recorder.name("Api"), api);
    /// assert_eq!(recorder.drain().names, ["Api"]);
    /// ```
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

    /// Records something that happens now and has no duration.
    ///
    /// ```
    /// use highwater::trace::{Phase, RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.instant(RecordKind::Start, recorder.name("Api"), 4711);
    /// let event = recorder.drain().events[0];
    /// assert_eq!((event.phase, event.subject), (Phase::Instant, 4711));
    /// ```
    pub fn instant(&self, kind: RecordKind, source: NameId, subject: u64) {
        self.write(kind, Phase::Instant, source, None, subject, None, None);
    }

    /// Records an [`instant`](Self::instant) with a cause: a short constant text,
    /// since it is added to the name table.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder, Trace};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.instant_with_cause(RecordKind::Exit, recorder.name("worker 1"), 4711, "signal 9");
    /// let mut trace = Trace::default();
    /// trace.append(recorder.drain());
    /// assert_eq!(trace.events[0].failure, trace.id("signal 9"));
    /// ```
    pub fn instant_with_cause(&self, kind: RecordKind, source: NameId, subject: u64, cause: &str) {
        let cause = Some(self.name(cause));
        self.write(kind, Phase::Instant, source, None, subject, None, cause);
    }

    /// Records a message from `source` to `target`.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let (api, mail) = (recorder.name("Api"), recorder.name("EmailService"));
    /// recorder.send(RecordKind::Call, api, mail, 7);
    /// assert_eq!(recorder.drain().events[0].target, Some(mail));
    /// ```
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

    /// Records the start of a span. Its end is recorded by [`Span::succeed`] or
    /// [`Span::fail`], or as cancelled when the span is dropped.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// let span = recorder.begin(RecordKind::Handle, recorder.name("EmailService"), 7);
    /// // … the work …
    /// span.succeed();
    /// assert_eq!(recorder.drain().events.len(), 2);
    /// ```
    pub fn begin(&self, kind: RecordKind, source: NameId, subject: u64) -> Span {
        self.begin_at(Duration::MAX, kind, source, subject)
    }

    /// Records the [start](Self::begin) of a span that was due at `at`.
    ///
    /// A request counts from its arrival, not from when the busy server started on
    /// it: measuring from the latter hides exactly the delay in question (Gil Tene's
    /// "coordinated omission").
    ///
    /// A time in the future counts as now, since timers of some worlds fire a little
    /// early.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let ms = Duration::from_millis;
    /// let recorder = Recorder::new(Arc::new(move || ms(5)), 1024);
    /// recorder.begin_at(ms(2), RecordKind::Request, recorder.name("Api"), 7).succeed();
    /// let end = recorder.drain().events[1];
    /// assert_eq!((end.at, end.duration), (ms(2), ms(3)));
    /// ```
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

    /// Returns all records made since the last drain, and the names added since.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.instant(RecordKind::Start, recorder.name("Api"), 0);
    /// assert_eq!(recorder.drain().events.len(), 1);
    /// assert_eq!(recorder.drain().events.len(), 0);
    /// ```
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

    /// Returns the number of records made so far, including drained and dropped ones.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.begin(RecordKind::Request, recorder.name("Api"), 1).succeed();
    /// let _batch = recorder.drain();
    /// assert_eq!(recorder.recorded(), 2);
    /// ```
    pub fn recorded(&self) -> u64 {
        self.state().recorded
    }

    /// Returns the start of the record.
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
        let is_written = match self.writes {
            Writes::All => true,
            Writes::Ends => phase == Phase::End,
            Writes::Nothing => false,
        };
        // Read under the lock, so that records are ordered by time.
        let now = if self.writes == Writes::Nothing {
            Duration::ZERO
        } else {
            self.shared.clock.now()
        };
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
        // Never later than now, which would break the order by time.
        let at = began.unwrap_or(now).min(now);
        if !is_written {
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

    /// Returns the state, even after a panic elsewhere: the records are whole, and
    /// the trace explains the panic.
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

/// A span that has begun and must end.
///
/// Dropped without an end, as when its future is cancelled or the code panics, it is
/// recorded as failed with the cause `cancelled`, so the number in flight stays
/// correct.
///
/// ```
/// use highwater::trace::{RecordKind, Recorder, Trace};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// drop(recorder.begin(RecordKind::Handle, recorder.name("EmailService"), 7));
///
/// let mut trace = Trace::default();
/// trace.append(recorder.drain());
/// assert_eq!(trace.events[1].failure, trace.id("cancelled"));
/// ```
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
    /// Records that the span succeeded.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.begin(RecordKind::Handle, recorder.name("EmailService"), 7).succeed();
    /// assert_eq!(recorder.drain().events[1].counters.succeeded, 1);
    /// ```
    pub fn succeed(mut self) {
        self.end(None);
    }

    /// Records that the span failed, and the cause: a short constant text, since it
    /// is added to the name table.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.begin(RecordKind::Handle, recorder.name("EmailService"), 7).fail("no route");
    /// let batch = recorder.drain();
    /// assert_eq!(batch.events[1].counters.failed, 1);
    /// assert_eq!(batch.names, ["EmailService", "no route"]);
    /// ```
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

/// The records made between two drains.
///
/// ```
/// use highwater::trace::{RecordKind, Recorder};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// recorder.instant(RecordKind::Start, recorder.name("Api"), 0);
/// let batch = recorder.drain();
/// assert_eq!((batch.first_name, batch.names.len(), batch.events.len()), (0, 1, 1));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordBatch {
    /// The index of the first of `names` in the name table.
    pub first_name: usize,
    /// Names added since the last drain.
    pub names: Vec<String>,
    /// The records, oldest first.
    pub events: Vec<Event>,
    /// Records dropped since the start of the run.
    pub dropped: u64,
}

impl RecordBatch {
    /// Keeps the first `records` records and all names, and returns the rest as the
    /// next batch, for a reader that takes a few at a time. The rest is empty if
    /// there were no more.
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
    #[must_use = "the rest is only in the returned batch"]
    pub fn split_off(&mut self, records: usize) -> RecordBatch {
        RecordBatch {
            first_name: self.first_name + self.names.len(),
            names: Vec::new(),
            events: self.events.split_off(records.min(self.events.len())),
            dropped: self.dropped,
        }
    }
}
