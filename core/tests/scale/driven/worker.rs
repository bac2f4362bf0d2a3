//! The expected state of a worker.

use std::time::Duration;

pub(super) const STABLE_AFTER: Duration = Duration::from_secs(3);

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Starting,
    Ready { since: Duration },
    Draining,
    Killed { was_stable: bool },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    /// The current worker of its slot.
    Current,
    /// The next worker of its slot.
    Replacement,
    /// A surplus worker that stays until another one is ready.
    Surplus,
    /// A worker that has left its slot. A reload waits for its exit.
    LeavingForReload,
    /// A worker that has left its slot.
    Leaving,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Worker {
    pub(super) state: State,
    /// The time limit of its current state.
    pub(super) until: Duration,
    pub(super) role: Role,
    pub(super) is_retiring: bool,
}

impl Worker {
    pub(super) fn is_stable(&self, now: Duration) -> bool {
        match self.state {
            State::Ready { since } => now.saturating_sub(since) >= STABLE_AFTER,
            State::Killed { was_stable } => was_stable,
            State::Starting | State::Draining => false,
        }
    }
}
