//! The arrival times of requests.

use super::{Context, Values};
use crate::platform::Random;
use std::time::Duration;

/// An open-loop arrival process: requests arrive regardless of how many are in
/// flight.
///
/// The parameters `requests` and `interval` set their number and spacing. The
/// spacing varies by ±25 %.
pub(super) struct Arrivals {
    random: Random,
    params: Values,
    /// The arrival time of the next request; `None` before [`begin`](Self::begin).
    due: Option<Duration>,
    next: u64,
    last: u64,
}

impl Arrivals {
    /// Creates the arrivals. None arrives before [`begin`](Self::begin).
    pub(super) fn new(context: &Context) -> Self {
        Arrivals {
            random: context.seed.stream(0),
            due: None,
            next: 1,
            last: context.params.integer("requests"),
            params: context.params.clone(),
        }
    }

    pub(super) fn has_started(&self) -> bool {
        self.due.is_some()
    }

    /// Starts the arrivals.
    pub(super) fn begin(&mut self, now: Duration) {
        self.due = Some(now);
        self.schedule_next();
    }

    /// Returns `true` once every request has been taken.
    pub(super) fn is_finished(&self) -> bool {
        self.next > self.last
    }

    /// Returns the arrival time of the next request, if one is scheduled.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due.filter(|_| !self.is_finished())
    }

    /// Takes the next request that has arrived by `now`. Returns its number, from 1,
    /// and its arrival time.
    pub(super) fn take(&mut self, now: Duration) -> Option<(u64, Duration)> {
        let arrived = self.due().filter(|due| *due <= now)?;
        let number = self.next;
        self.next += 1;
        self.schedule_next();
        Some((number, arrived))
    }

    fn schedule_next(&mut self) {
        let interval = self.params.millis("interval");
        let pause = self.random.jitter(interval, 25);
        self.due = self.due.map(|due| due + pause);
    }
}
