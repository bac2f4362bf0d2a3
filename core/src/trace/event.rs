//! The schema of a record.

use std::{fmt, time::Duration};

/// The version of the schema. Raised when a field changes its meaning.
///
/// ```
/// use highwater::trace::{Trace, VERSION};
///
/// assert_eq!(Trace::default().version, VERSION);
/// ```
pub const VERSION: u32 = 1;

/// The target of a [`Result`](RecordKind::Result) record with the sum of the service times
/// of all answered requests, in nanoseconds, where only a sample of them is recorded.
pub const TOTAL_SERVICE_TIME: &str = "Total service time in ns";

/// One record: what a source did, to which target, when, with which outcome.
///
/// Records are self-contained: each contains the cumulative [`Counters`] of its
/// source, so a lost record never leaves a picture wrong.
///
/// ```
/// use highwater::trace::{Phase, RecordKind, Recorder};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// let (bus, mail) = (recorder.name("Bus"), recorder.name("EmailService"));
/// recorder.send(RecordKind::Deliver, bus, mail, 7);
///
/// let event = recorder.drain().events[0];
/// assert_eq!((event.kind, event.phase), (RecordKind::Deliver, Phase::Instant));
/// assert_eq!((event.source, event.target, event.subject), (bus, Some(mail), 7));
/// assert_eq!(event.counters.sent, 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Event {
    /// The start, relative to the start of the run. Nanoseconds on the wire.
    #[cfg_attr(feature = "serde", serde(rename = "at_ns", with = "nanos"))]
    pub at: Duration,
    /// The duration; for a start, its delay. Nanoseconds on the wire.
    #[cfg_attr(
        feature = "serde",
        serde(rename = "duration_ns", with = "nanos", default)
    )]
    #[cfg_attr(feature = "serde", serde(skip_serializing_if = "Duration::is_zero"))]
    pub duration: Duration,
    /// The source of the record.
    pub source: NameId,
    /// The recipient, for messages.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub target: Option<NameId>,
    /// The kind of record.
    pub kind: RecordKind,
    /// A start, an end or an instant.
    pub phase: Phase,
    /// The number of the user, request or chunk that it concerns.
    pub subject: u64,
    /// The cause of the failure, if it ended in one.
    #[cfg_attr(
        feature = "serde",
        serde(default, skip_serializing_if = "Option::is_none")
    )]
    pub failure: Option<NameId>,
    /// The totals of the source, including this record.
    pub counters: Counters,
    /// The recording thread; 0 is the loop.
    #[cfg_attr(feature = "serde", serde(default, skip_serializing_if = "is_zero"))]
    pub thread: u32,
}

impl Event {
    /// Returns the time of recording, which never decreases from one record to the
    /// next.
    ///
    /// ```
    /// use highwater::trace::{RecordKind, Recorder};
    /// use std::{sync::Arc, time::Duration};
    ///
    /// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
    /// recorder.instant(RecordKind::Start, recorder.name("Api"), 0);
    /// let event = recorder.drain().events[0];
    /// assert_eq!(event.recorded_at(), event.at + event.duration);
    /// ```
    pub fn recorded_at(&self) -> Duration {
        self.at + self.duration
    }
}

/// The kind of a record.
///
/// ```
/// use highwater::trace::RecordKind;
///
/// assert_eq!(RecordKind::Deliver.as_str(), "deliver");
/// assert!(RecordKind::Deliver.is_message() && !RecordKind::Subscribe.is_message());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
#[non_exhaustive]
pub enum RecordKind {
    /// A service started, or a process became ready; `subject` is its id.
    Start,
    /// `source` holds a reference to `target`: a dependency in the code.
    Depend,
    /// A listener was added: `source` listens to `target`.
    Subscribe,
    /// A listener was removed: `source` no longer listens to `target`.
    Unsubscribe,
    /// The emitter or bus `source` reported a leak: too many listeners. `target` is
    /// the message, `subject` the number of listeners.
    Leak,
    /// A request from outside, from its arrival to its response.
    Request,
    /// `source` called `target` directly.
    Call,
    /// `source` emitted an event on the bus `target`.
    Emit,
    /// The bus `source` delivered an event to the listener `target`.
    Deliver,
    /// The queue `source`, or the inbox of the listener `source`, was full and
    /// dropped `subject` items.
    Drop,
    /// The queue `source`, or the inbox of the listener `source`, was full and
    /// rejected an item; or the circuit breaker `source` rejected a call.
    #[cfg_attr(feature = "serde", serde(rename = "refuse"))]
    Reject,
    /// A service handled its input.
    Handle,
    /// `source` wrote a chunk to `target`.
    Write,
    /// The queue `source` has a high-water mark of `subject` bytes.
    Mark,
    /// The queue `source` now holds `subject` bytes.
    Level,
    /// The queue `source` was full and its writer waited.
    Stall,
    /// `source` held a file or a connection open.
    Open,
    /// The output of `source` is complete and replaces the previous file.
    Commit,
    /// The partial output of `source` was discarded.
    Discard,
    /// A thread of the pool computed.
    Compute,
    /// The error handler `source` logged an entry about the request `subject`;
    /// `failure` is the error code.
    Log,
    /// `source` retried the request `subject`; `failure` is the reason.
    Retry,
    /// The response of `source` to the request `subject` was well-formed and wrong.
    Wrong,
    /// The response of `source` to the request `subject` exposed internal details.
    Expose,
    /// The process `source` with the id `subject` exited; `failure` is the reason,
    /// unless it exited normally. Its [`Start`](RecordKind::Start) has the same id.
    Exit,
    /// The circuit breaker `source`, or the process `source` with the id `subject`,
    /// changed to the state `target`.
    Switch,
    /// A heartbeat arrived: of a loop, measured from when it was due; or of the
    /// process `source`.
    Beat,
    /// `source` computed the result `subject` of the job `target`.
    Result,
    /// The pool `source` has `subject` threads; 0 if jobs run on the loop.
    Threads,
    /// The operator `source` set a parameter `subject` milliseconds after the start:
    /// `target` is its key and value, such as `interval=10`.
    Change,
}

impl RecordKind {
    /// All kinds, in the order of their numbers on the wire.
    ///
    /// ```
    /// use highwater::trace::RecordKind;
    ///
    /// assert_eq!(RecordKind::ALL[0], RecordKind::Start);
    /// ```
    pub const ALL: &[RecordKind] = &[
        RecordKind::Start,
        RecordKind::Depend,
        RecordKind::Subscribe,
        RecordKind::Unsubscribe,
        RecordKind::Leak,
        RecordKind::Request,
        RecordKind::Call,
        RecordKind::Emit,
        RecordKind::Deliver,
        RecordKind::Drop,
        RecordKind::Reject,
        RecordKind::Handle,
        RecordKind::Write,
        RecordKind::Mark,
        RecordKind::Level,
        RecordKind::Stall,
        RecordKind::Open,
        RecordKind::Commit,
        RecordKind::Discard,
        RecordKind::Compute,
        RecordKind::Log,
        RecordKind::Retry,
        RecordKind::Wrong,
        RecordKind::Expose,
        RecordKind::Exit,
        RecordKind::Switch,
        RecordKind::Beat,
        RecordKind::Result,
        RecordKind::Threads,
        RecordKind::Change,
    ];

    /// Returns whether it is a message from source to target. A subscription and a
    /// dependency are relations: nothing moves on them.
    ///
    /// ```
    /// use highwater::trace::RecordKind;
    ///
    /// assert!(RecordKind::Call.is_message());
    /// assert!(!RecordKind::Depend.is_message());
    /// ```
    pub fn is_message(self) -> bool {
        matches!(
            self,
            RecordKind::Call | RecordKind::Emit | RecordKind::Deliver | RecordKind::Write
        )
    }

    /// Returns whether its spans are work, which totals and percentiles count. Being
    /// open and waiting for room are not.
    pub(super) fn is_work(self) -> bool {
        !matches!(self, RecordKind::Open | RecordKind::Stall)
    }

    /// Returns the name of the kind on the wire.
    ///
    /// ```
    /// use highwater::trace::RecordKind;
    ///
    /// assert_eq!(RecordKind::Unsubscribe.as_str(), "unsubscribe");
    /// ```
    pub fn as_str(self) -> &'static str {
        match self {
            RecordKind::Start => "start",
            RecordKind::Depend => "depend",
            RecordKind::Subscribe => "subscribe",
            RecordKind::Unsubscribe => "unsubscribe",
            RecordKind::Leak => "leak",
            RecordKind::Request => "request",
            RecordKind::Call => "call",
            RecordKind::Emit => "emit",
            RecordKind::Deliver => "deliver",
            RecordKind::Drop => "drop",
            RecordKind::Reject => "refuse",
            RecordKind::Handle => "handle",
            RecordKind::Write => "write",
            RecordKind::Mark => "mark",
            RecordKind::Level => "level",
            RecordKind::Stall => "stall",
            RecordKind::Open => "open",
            RecordKind::Commit => "commit",
            RecordKind::Discard => "discard",
            RecordKind::Compute => "compute",
            RecordKind::Log => "log",
            RecordKind::Retry => "retry",
            RecordKind::Wrong => "wrong",
            RecordKind::Expose => "expose",
            RecordKind::Exit => "exit",
            RecordKind::Switch => "switch",
            RecordKind::Beat => "beat",
            RecordKind::Result => "result",
            RecordKind::Threads => "threads",
            RecordKind::Change => "change",
        }
    }
}

impl fmt::Display for RecordKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The phase of a span that a record marks.
///
/// ```
/// use highwater::trace::{Phase, RecordKind, Recorder};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// recorder.begin(RecordKind::Handle, recorder.name("EmailService"), 1).succeed();
/// let events = recorder.drain().events;
/// assert_eq!((events[0].phase, events[1].phase), (Phase::Begin, Phase::End));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(rename_all = "snake_case"))]
pub enum Phase {
    /// The start of a span. Its end follows.
    Begin,
    /// The end of a span.
    End,
    /// A record without duration.
    Instant,
}

/// The totals of one source since the start of the run.
///
/// ```
/// use highwater::trace::{RecordKind, Recorder};
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// let mail = recorder.name("EmailService");
/// recorder.begin(RecordKind::Handle, mail, 1).succeed();
/// recorder.begin(RecordKind::Handle, mail, 2).fail("no route");
/// let open = recorder.begin(RecordKind::Handle, mail, 3);
///
/// let counters = recorder.drain().events.last().unwrap().counters;
/// assert_eq!((counters.started, counters.succeeded, counters.failed), (3, 1, 1));
/// assert_eq!((counters.finished(), counters.in_flight()), (2, 1));
/// # drop(open);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counters {
    /// Spans of work that began.
    pub started: u64,
    /// Spans of work that succeeded.
    pub succeeded: u64,
    /// Spans of work that failed.
    pub failed: u64,
    /// Messages sent: calls, emits, deliveries and writes.
    pub sent: u64,
}

impl Counters {
    /// Returns the number of spans in flight: begun and not ended.
    ///
    /// ```
    /// use highwater::trace::Counters;
    ///
    /// let counters = Counters { started: 3, succeeded: 1, ..Counters::default() };
    /// assert_eq!(counters.in_flight(), 2);
    /// ```
    pub fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.finished())
    }

    /// Returns the number of spans that ended, successfully or not.
    ///
    /// ```
    /// use highwater::trace::Counters;
    ///
    /// let counters = Counters { succeeded: 4, failed: 1, ..Counters::default() };
    /// assert_eq!(counters.finished(), 5);
    /// ```
    pub fn finished(&self) -> u64 {
        self.succeeded + self.failed
    }
}

/// The id of a name in the name table of a trace.
///
/// It is valid only for the recorder that made it. Another recorder whose table is
/// shorter panics on it in debug builds and otherwise records nothing.
///
/// ```
/// use highwater::trace::Recorder;
/// use std::{sync::Arc, time::Duration};
///
/// let recorder = Recorder::new(Arc::new(|| Duration::ZERO), 1024);
/// let api = recorder.name("Api");
/// assert_eq!(recorder.name("Api"), api, "one id per name");
/// assert_eq!(recorder.name("EmailService").index(), 1);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct NameId(u32);

impl NameId {
    /// Returns the index of the name in [`Trace::names`](super::Trace::names).
    ///
    /// ```
    /// use highwater::trace::Trace;
    ///
    /// let trace = Trace { names: vec!["Api".to_owned()], ..Trace::default() };
    /// assert_eq!(trace.id("Api").unwrap().index(), 0);
    /// ```
    pub fn index(self) -> usize {
        self.0 as usize
    }

    pub(super) fn to_u32(self) -> u32 {
        self.0
    }

    pub(super) fn from_index(index: usize) -> Self {
        NameId(u32::try_from(index).unwrap_or(u32::MAX))
    }
}

#[cfg(feature = "serde")]
#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(thread: &u32) -> bool {
    *thread == 0
}

/// Durations as whole nanoseconds. 584 years fit, and JSON readers that parse numbers
/// as doubles are exact for the first 104 days.
#[cfg(feature = "serde")]
mod nanos {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(crate::latency::nanos(*duration))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}
