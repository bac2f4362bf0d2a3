//! A place that is always to have a worker, and those that leave it.

use std::time::Duration;

/// What a supervisor knows of one place.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// How often a worker was started here.
    pub(super) started: u64,
    /// How many replacements in a row did not last.
    pub(super) replaced: u32,
    /// Which worker has the place, or had it last.
    pub(super) generation: u64,
    pub(super) state: State,
    /// Who is to take the place in a reload.
    pub(super) newcomer: Option<Newcomer>,
    /// Workers from before this one are replaced by the reload under way.
    pub(super) fresh_from: u64,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum State {
    /// Started, or about to be; to be ready by then.
    Starting { until: Duration },
    /// It takes work, and is to give a sign of life by then.
    Ready { since: Duration, until: Duration },
    /// It is to be killed, and has not exited yet.
    Killed { had_lasted: bool },
    /// There is none; the next one starts then.
    Waiting { until: Duration },
    /// There is none, and there will be none.
    Ended,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Newcomer {
    pub(super) generation: u64,
    /// By when it is to be ready.
    pub(super) until: Duration,
}

/// A worker that is to exit, and whose place is free or another's.
#[derive(Clone, Copy, Debug)]
pub(super) struct Leaver {
    pub(super) slot: usize,
    pub(super) generation: u64,
    /// When it is killed.
    pub(super) until: Duration,
    pub(super) is_killed: bool,
    /// Whether a reload waits for it.
    pub(super) is_of_reload: bool,
}

impl Leaver {
    /// When something is to be done about it, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Duration> {
        Some(self.until).filter(|until| !self.is_killed && *until < Duration::MAX)
    }
}

impl Slot {
    pub(super) fn new() -> Self {
        Slot {
            started: 0,
            replaced: 0,
            generation: 0,
            state: State::Ended,
            newcomer: None,
            fresh_from: 0,
        }
    }

    /// When something is to be done about it, if nothing happens before.
    pub(super) fn deadline(&self) -> Option<Duration> {
        let newcomer = self.newcomer.map_or(Duration::MAX, |it| it.until);
        let worker = match self.state {
            State::Starting { until } | State::Ready { until, .. } | State::Waiting { until } => {
                until
            }
            State::Killed { .. } | State::Ended => Duration::MAX,
        };
        // "As long as it likes" is no deadline.
        Some(worker.min(newcomer)).filter(|until| *until < Duration::MAX)
    }

    /// Whether it has a worker, as far as is known.
    pub(super) fn is_alive(&self) -> bool {
        !matches!(self.state, State::Waiting { .. } | State::Ended)
    }

    pub(super) fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready { .. })
    }

    /// Whether its worker is at work, or about to be, and is from before the
    /// reload.
    pub(super) fn is_stale(&self) -> bool {
        let works = matches!(self.state, State::Starting { .. } | State::Ready { .. });
        works && self.generation < self.fresh_from
    }

    /// Whether its worker is from before the reload, and about to exit.
    pub(super) fn is_dying(&self) -> bool {
        matches!(self.state, State::Killed { .. }) && self.generation < self.fresh_from
    }

    /// Whether its worker was at work for so long that its end is a new matter.
    pub(super) fn has_lasted(&self, long: Duration, now: Duration) -> bool {
        match self.state {
            State::Ready { since, .. } => now.saturating_sub(since) >= long,
            State::Killed { had_lasted } => had_lasted,
            _ => false,
        }
    }
}
