//! A place that is always to have a worker.

use std::time::Duration;

/// What a supervisor knows of one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// How often a worker was started here; of the present one or the last.
    pub(super) generation: u64,
    /// How many replacements in a row did not last.
    pub(super) replaced: u32,
    pub(super) state: State,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// Started, or about to be; to be ready by then.
    Starting { until: Duration },
    /// It takes work.
    Ready { since: Duration },
    /// It is to be killed, and has not exited yet.
    Killed,
    /// There is none; the next one starts then.
    Waiting { until: Duration },
    /// There is none, and there will be none.
    Ended,
}

impl Slot {
    pub(super) fn new() -> Self {
        Slot {
            generation: 0,
            replaced: 0,
            state: State::Ended,
        }
    }

    /// When something is to be done about it, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match self.state {
            // "As long as it likes" is no deadline.
            State::Starting { until } if until == Duration::MAX => None,
            State::Starting { until } | State::Waiting { until } => Some(until),
            State::Ready { .. } | State::Killed | State::Ended => None,
        }
    }

    /// Whether there is a worker, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, State::Waiting { .. } | State::Ended)
    }

    /// Whether its worker was at work for so long that its end is a new matter.
    pub(super) fn has_lasted(&self, long: Duration, now: Duration) -> bool {
        matches!(self.state, State::Ready { since } if now.saturating_sub(since) >= long)
    }
}
