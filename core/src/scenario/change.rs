//! Parameter changes during a run.

use super::{
    Param,
    params::{ParamUnit, Value},
};
use crate::{
    platform::Timer,
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

/// Maximum number of changes in a run.
pub const MAX_CHANGES: usize = 100;

/// The time of a change, in milliseconds after the start.
pub(super) static CHANGE_TIME: Param =
    Param::integer("change time", "", "", (ParamUnit::Ms, 1, 1_000_000_000, 1));

/// The source of parameter changes in a trace.
const OPERATOR: &str = "Operator";

/// A scheduled change of one parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Change {
    /// The parameter.
    pub key: &'static str,
    /// The time of the change, in milliseconds after the start of the run.
    pub at_ms: u64,
    /// The new value.
    pub value: Value,
}

impl Change {
    /// Returns the key and value for [`Experiment::set`](super::Experiment::set); the
    /// key has the form `interval@1500`.
    #[must_use]
    pub fn setting(&self) -> (String, String) {
        let name = format!("{}@{}", self.key, self.at_ms);
        (name, self.value.to_string())
    }
}

/// The parameter changes of a run in progress.
///
/// A change takes effect when its parameter is next read.
#[derive(Clone)]
pub(super) struct Schedule(Arc<ScheduleState>);

struct ScheduleState {
    /// Sorted by time.
    changes: Vec<Change>,
    /// Number of changes already recorded.
    recorded_count: AtomicUsize,
    timer: Arc<dyn Timer>,
    trace: Recorder,
}

impl Schedule {
    pub(super) fn new(changes: &[Change], timer: Arc<dyn Timer>, trace: &Recorder) -> Self {
        Schedule(Arc::new(ScheduleState {
            changes: changes.to_vec(),
            recorded_count: AtomicUsize::new(0),
            timer,
            trace: trace.clone(),
        }))
    }

    /// Returns the parameter's latest changed value, or `None` if it has not changed.
    ///
    /// Also records every change that is due.
    pub(super) fn current_value(&self, key: &str) -> Option<Value> {
        let due = self.0.record_due();
        let mut changes = due.iter().rev();
        let latest = changes.find(|change| change.key == key)?;
        Some(latest.value)
    }

    /// Records each change at its time, even if its parameter is not read until later. A
    /// blocked loop records it as soon as it continues.
    pub(super) async fn record_in_time(self) {
        for change in &self.0.changes {
            let at = Duration::from_millis(change.at_ms);
            let wait = at.saturating_sub(self.0.timer.now());
            self.0.timer.sleep(wait).await;
            self.0.record_due();
        }
    }
}

impl ScheduleState {
    /// Records the changes that became due and returns all that are due.
    fn record_due(&self) -> &[Change] {
        let now = self.timer.now();
        let is_due = |change: &Change| Duration::from_millis(change.at_ms) <= now;
        let due = self.changes.partition_point(is_due);
        let first_due = self.recorded_count.fetch_max(due, Ordering::Relaxed);
        for change in self.changes.get(first_due..due).unwrap_or_default() {
            self.record(change);
        }
        &self.changes[..due]
    }

    fn record(&self, change: &Change) {
        let (key, value) = (change.key, change.value.to_string());
        let assignment = self.trace.name(&[key, "=", &value].concat());
        let operator = self.trace.name(OPERATOR);
        self.trace
            .send(RecordKind::Change, operator, assignment, change.at_ms);
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
