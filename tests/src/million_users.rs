//! The scenario `cluster` with a million users, simulated in this process by
//! `bench simulation`, and in a tab by the test `page`.

use highwater::trace::{Event, RecordKind};
use serde::{Deserialize, Serialize};

/// The parameters that differ from the defaults.
pub(crate) const SETTINGS: [(&str, &str); 3] =
    [("users", "1000000"), ("workers", "8"), ("event", "reload")];

pub(crate) const ROUNDS: usize = 3;

/// The result of one simulation.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub(crate) struct ClusterRun {
    pub(crate) seconds: f64,
    pub(crate) simulated_seconds: f64,
    pub(crate) requests: f64,
}

/// Returns the number of requests in the run. Not all of them are recorded, but every
/// record has the total.
pub(crate) fn count_requests(events: &[Event]) -> Option<f64> {
    let mut latest = events.iter().rev();
    let last = latest.find(|it| it.kind == RecordKind::Request)?;
    Some(last.counters.started as f64)
}
