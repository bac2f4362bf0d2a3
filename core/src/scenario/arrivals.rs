//! Requests that come from outside, one after the other.

use super::{Context, Values};
use crate::platform::Random;
use std::time::Duration;

/// When requests arrive: when they do, however many are being served.
///
/// How many there are and how far apart, give or take a quarter, the parameters
/// `requests` and `interval` say.
pub(super) struct Arrivals {
    draws: Random,
    params: Values,
    /// When the next one arrives. `None` while nobody is there to take it.
    due: Option<Duration>,
    next: u64,
    last: u64,
}

impl Arrivals {
    /// None arrives until they [begin](Self::begin).
    pub(super) fn new(context: &Context) -> Self {
        Arrivals {
            draws: context.seed.stream(0),
            due: None,
            next: 1,
            last: context.params.integer("requests"),
            params: context.params.clone(),
        }
    }

    pub(super) fn has_started(&self) -> bool {
        self.due.is_some()
    }

    /// From now on they arrive.
    pub(super) fn begin(&mut self, now: Duration) {
        self.due = Some(now);
        self.wait();
    }

    /// Whether all have been taken.
    pub(super) fn is_finished(&self) -> bool {
        self.next > self.last
    }

    /// When the next one arrives, if that is known.
    pub(super) fn due(&self) -> Option<Duration> {
        self.due.filter(|_| !self.is_finished())
    }

    /// The next one that has arrived by now: its number, from 1, and when it came.
    pub(super) fn take(&mut self, now: Duration) -> Option<(u64, Duration)> {
        let came = self.due().filter(|due| *due <= now)?;
        let number = self.next;
        self.next += 1;
        self.wait();
        Some((number, came))
    }

    fn wait(&mut self) {
        let interval = self.params.millis("interval");
        let pause = self.draws.jitter(interval, 25);
        self.due = self.due.map(|due| due + pause);
    }
}
