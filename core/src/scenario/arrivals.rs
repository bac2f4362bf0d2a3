//! The arrival times of requests.

use super::{Context, Values};
use crate::{
    platform::Platform,
    workload::{self, ArrivalModel},
};
use std::time::Duration;

/// An open-loop arrival process: requests arrive regardless of how many are in
/// flight.
///
/// The parameters `arrivals` and `interval` set the model and the mean spacing.
pub(super) struct Arrivals {
    platform: Platform,
    params: Values,
    intervals: workload::Arrivals,
    /// The arrival time of the next request; `None` before [`begin`](Self::begin).
    due: Option<Duration>,
    next: u64,
    last: u64,
}

impl Arrivals {
    /// Creates the arrivals of this many requests. None arrives before
    /// [`begin`](Self::begin).
    pub(super) fn new(context: &Context, requests: u64) -> Self {
        let model = arrival_model(&context.params);
        Arrivals {
            platform: context.platform.clone(),
            params: context.params.clone(),
            intervals: workload::Arrivals::new(model, context.seed.stream(0)),
            due: None,
            next: 1,
            last: requests,
        }
    }

    #[allow(
        dead_code,
        reason = "unused by the chapter whose arrivals begin at once"
    )]
    pub(super) fn has_started(&self) -> bool {
        self.due.is_some()
    }

    /// Starts the arrivals.
    pub(super) fn begin(&mut self) {
        self.due = Some(self.platform.now());
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

    /// Waits for the next request and takes it. Returns its number, from 1, and its
    /// arrival time, which is in the past if the event loop was busy then. Returns
    /// `None` after the last request.
    pub(super) async fn next(&mut self) -> Option<(u64, Duration)> {
        let wait = self.due()?.saturating_sub(self.platform.now());
        self.platform.sleep(wait).await;
        self.take(Duration::MAX)
    }

    fn schedule_next(&mut self) {
        let interval = self.intervals.next_interval(self.params.millis("interval"));
        self.due = self.due.map(|due| due + interval);
    }
}

/// Returns the model of the arrivals.
///
/// # Panics
///
/// Panics if the scenario has no parameter `arrivals`, which is a bug in it.
fn arrival_model(params: &Values) -> ArrivalModel {
    ArrivalModel::named(params.choice("arrivals"), |key| params.decimal(key))
}
