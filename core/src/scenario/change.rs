//! Parameters that change in the midst of a run.

use super::{
    Param,
    params::{ParamUnit, Value},
};
use crate::{
    Clock,
    trace::{RecordKind, Recorder},
};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// How many changes a run may have.
pub const MAX_CHANGES: usize = 100;

/// When a change may come, in milliseconds after the start.
pub(super) static CHANGE_TIME: Param = Param::integer(
    "the moment of a change",
    "",
    "",
    (ParamUnit::Ms, 1, 1_000_000_000, 1),
);

/// The name in the trace of whoever changes a parameter.
const OPERATOR: &str = "Operator";

/// A parameter has another value from some moment on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The parameter.
    pub key: &'static str,
    /// From when on, in milliseconds after the start of the run.
    pub at_ms: u64,
    /// Its value from then on.
    pub value: Value,
}

impl Change {
    /// As [`Experiment::set`](super::Experiment::set) takes it: `interval@1500`, and
    /// the value.
    #[must_use]
    pub fn setting(&self) -> (String, String) {
        let name = format!("{}@{}", self.key, self.at_ms);
        (name, self.value.to_string())
    }
}

/// The changes of a run in progress, which follow its clock: nobody has to wake up
/// for one.
#[derive(Clone)]
pub(super) struct Schedule(Arc<ScheduleState>);

struct ScheduleState {
    /// The earliest first.
    changes: Vec<Change>,
    /// How many of them are on record.
    recorded: AtomicUsize,
    clock: Arc<dyn Clock>,
    trace: Recorder,
}

impl Schedule {
    pub(super) fn new(changes: &[Change], clock: Arc<dyn Clock>, trace: &Recorder) -> Self {
        Schedule(Arc::new(ScheduleState {
            changes: changes.to_vec(),
            recorded: AtomicUsize::new(0),
            clock,
            trace: trace.clone(),
        }))
    }

    /// What a parameter was changed to last, if it was. Whatever is due by now is put
    /// on record: it counts from this use on.
    pub(super) fn value_now(&self, key: &str) -> Option<Value> {
        let ScheduleState {
            changes, recorded, ..
        } = &*self.0;
        let now = self.0.clock.now();
        let is_due = |change: &Change| Duration::from_millis(change.at_ms) <= now;
        let due = changes.partition_point(is_due);
        let from = recorded.fetch_max(due, Ordering::Relaxed);
        for change in changes.get(from..due).unwrap_or_default() {
            self.0.record(change);
        }
        let mut changes = changes[..due].iter().rev();
        let latest = changes.find(|change| change.key == key)?;
        Some(latest.value)
    }
}

impl ScheduleState {
    fn record(&self, change: &Change) {
        let (key, value) = (change.key, change.value.to_string());
        let what = self.trace.name(&[key, "=", &value].concat());
        let operator = self.trace.name(OPERATOR);
        self.trace
            .send(RecordKind::Change, operator, what, change.at_ms);
    }
}

impl PartialEq for Schedule {
    fn eq(&self, other: &Self) -> bool {
        self.0.changes == other.0.changes
    }
}

impl fmt::Debug for Schedule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.changes.fmt(f)
    }
}
