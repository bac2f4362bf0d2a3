//! What is to be expected of a worker.

use super::STEADY;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Starting,
    Ready { since: Duration },
    Draining,
    Killed { was_stable: bool },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    /// It has the place of its slot.
    Current,
    /// It is to have it.
    Replacement,
    /// It is one too many, and stays until another one is ready.
    Surplus,
    /// It goes, and a reload waits for it.
    LeavesForReload,
    /// It goes.
    Leaves,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Worker {
    pub(super) state: State,
    /// By when it is to do what it is to do next.
    pub(super) until: Duration,
    pub(super) role: Role,
    pub(super) is_retiring: bool,
}

impl Worker {
    pub(super) fn is_stable(&self, now: Duration) -> bool {
        match self.state {
            State::Ready { since } => now.saturating_sub(since) >= STEADY,
            State::Killed { was_stable } => was_stable,
            State::Starting | State::Draining => false,
        }
    }
}
