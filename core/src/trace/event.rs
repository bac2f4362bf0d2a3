//! The one wire schema.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of the schema below. Raised when a field changes its meaning.
pub const VERSION: u32 = 1;

/// One record: what one source did, to what, when, with which outcome.
///
/// Records are self-contained: the cumulative [`Counters`] of the source stand
/// in each, so that a lost record never leaves a picture wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Start of what is recorded, since the start of the run. Nanoseconds on
    /// the wire.
    #[serde(rename = "at_ns", with = "nanos")]
    pub at: Duration,
    /// How long it took; of a begin, how late it was. Nanoseconds on the wire.
    #[serde(rename = "duration_ns", with = "nanos", default)]
    #[serde(skip_serializing_if = "Duration::is_zero")]
    pub duration: Duration,
    /// Who did it.
    pub source: NameId,
    /// To whom, where something was passed on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target: Option<NameId>,
    /// What was done.
    pub kind: RecordKind,
    /// Whether it began, ended, or takes no time.
    pub phase: Phase,
    /// What it was done for: the number of the user, request or chunk.
    pub subject: u64,
    /// Why it failed, if it ended in failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<NameId>,
    /// The source's totals, this record included.
    pub counters: Counters,
    /// The thread that recorded it; 0 is the loop.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub thread: u32,
}

impl Event {
    /// When it was recorded. Never decreases from one record to the next.
    #[must_use]
    pub fn recorded_at(&self) -> Duration {
        self.at + self.duration
    }
}

/// What a record is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RecordKind {
    /// A service came up, or a process that is ready: `subject` is its id.
    Start,
    /// `source` holds on to `target`: a dependency in the code.
    Depend,
    /// A listener was added: `source` listens to `target`.
    Subscribe,
    /// A listener was removed: `source` listens to `target` no more.
    Unsubscribe,
    /// The emitter or bus `source` warned of a leak: more listeners than there
    /// should be. `target` is what it said, `subject` how many there are.
    Leak,
    /// A request from outside, from its arrival to its answer.
    Request,
    /// `source` called `target` by name.
    Call,
    /// `source` emitted an event on the bus `target`.
    Emit,
    /// The bus `source` handed an event to the listener `target`.
    Deliver,
    /// The queue `source`, or the inbox of the listener `source`, was full and
    /// lost items, `subject` of them.
    Drop,
    /// The queue `source`, or the inbox of the listener `source`, was full and
    /// refused an item; or the circuit breaker `source` let a call not through.
    Refuse,
    /// A service worked on what it was given.
    Handle,
    /// `source` wrote a chunk to `target`.
    Write,
    /// The queue `source` has its high-water mark at `subject` bytes.
    Mark,
    /// The queue `source` holds `subject` bytes now.
    Level,
    /// The queue `source` had no room, and who writes to it waited.
    Stall,
    /// `source` held something open: a file, a connection.
    Open,
    /// What `source` wrote is complete, and takes the place of what was there.
    Commit,
    /// What `source` had written in part was discarded.
    Discard,
    /// A thread of the pool computed.
    Compute,
    /// The handler of errors `source` wrote a line about the request `subject` to
    /// the log; `failure` is the error's code.
    Log,
    /// `source` had the request `subject` done again; `failure` is why.
    Retry,
    /// The answer of `source` to the request `subject` was well-formed, and wrong.
    Wrong,
    /// The answer of `source` to the request `subject` showed internal detail.
    Expose,
    /// The process `source` with the id `subject` has exited; `failure` is why,
    /// unless it came to its end. Its [`Start`](RecordKind::Start) has the same id.
    Exit,
    /// The circuit breaker `source`, or the process `source` with the id `subject`,
    /// changed to the state `target`.
    Switch,
    /// A heartbeat came: of a loop, from when it was due; or of the process `source`.
    Beat,
    /// `source` came to the result `subject`, of the job `target`.
    Result,
    /// The pool `source` has `subject` threads; none where the loop does its jobs.
    Threads,
    /// The operator `source` set a parameter `subject` milliseconds after the start:
    /// `target` is its key and value, as `interval=10`.
    Change,
}

impl RecordKind {
    /// Every kind, in the order of their numbers.
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
        RecordKind::Refuse,
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

    /// Whether something goes from source to target. A subscription and a
    /// dependency are relations: nothing moves on them yet.
    pub fn is_message(self) -> bool {
        matches!(
            self,
            RecordKind::Call | RecordKind::Emit | RecordKind::Deliver | RecordKind::Write
        )
    }

    /// Whether its spans are work, which totals and percentiles are about; to be
    /// open, or to wait for room, is none.
    pub(super) fn is_work(self) -> bool {
        !matches!(self, RecordKind::Open | RecordKind::Stall)
    }

    /// The kind's name on the wire.
    #[must_use]
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
            RecordKind::Refuse => "refuse",
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

/// Where a record stands in what it records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// It began, and an end follows.
    Begin,
    /// It ended.
    End,
    /// It takes no time.
    Instant,
}

/// Totals of one source since the start of the run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counters {
    /// Spans of work begun.
    pub started: u64,
    /// Spans that ended well.
    pub succeeded: u64,
    /// Spans that ended in failure.
    pub failed: u64,
    /// Messages passed on: calls, emits and deliveries.
    pub sent: u64,
}

impl Counters {
    /// Spans begun and not ended.
    #[must_use]
    pub fn in_flight(&self) -> u64 {
        self.started.saturating_sub(self.finished())
    }

    /// Spans ended, well or not.
    #[must_use]
    pub fn finished(&self) -> u64 {
        self.succeeded + self.failed
    }
}

/// A name in the trace's table of names.
///
/// It means nothing to another recorder. One whose table is shorter panics in a
/// debug build when it is handed such an id, and records nothing otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NameId(u32);

impl NameId {
    /// The name's place in [`Trace::names`](super::Trace::names).
    #[must_use]
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

#[expect(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde calls it with a reference"
)]
fn is_zero(thread: &u32) -> bool {
    *thread == 0
}

/// Durations as whole nanoseconds: 584 years fit, and JSON readers that keep
/// numbers as doubles are exact for the first 104 days.
mod nanos {
    use serde::{Deserialize, Deserializer, Serializer};
    use std::time::Duration;

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a run is shorter than 584 years"
    )]
    pub(super) fn serialize<S: Serializer>(
        duration: &Duration,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(duration.as_nanos() as u64)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Duration, D::Error> {
        u64::deserialize(deserializer).map(Duration::from_nanos)
    }
}
