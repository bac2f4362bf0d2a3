//! Killed workers, and the failed requests that they explain.

use std::time::Instant;

use crate::tally::FailedRequest;

/// A killed worker, and the time from the signal until its exit was reported.
#[derive(Clone, Copy, Debug)]
pub struct Kill {
    /// The process id of the worker.
    pub worker: u32,
    /// The time of the signal.
    pub killed_at: Instant,
    /// The time at which the exit was reported.
    pub reported_at: Instant,
}

impl Kill {
    /// Returns `true` if this kill explains a failed request. The request must have
    /// failed after the kill. If its worker is known, it must be the killed one;
    /// otherwise, the request must have started before the exit was reported.
    #[must_use]
    pub fn explains(&self, failed: &FailedRequest) -> bool {
        let is_affected = match failed.worker {
            Some(worker) => worker == self.worker,
            None => failed.started <= self.reported_at,
        };
        is_affected && failed.ended >= self.killed_at
    }
}
