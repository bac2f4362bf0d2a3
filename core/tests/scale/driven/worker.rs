//! What is to be expected of a worker.

use super::STEADY;
use std::time::Duration;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum State {
    Starting,
    Ready { since: Duration },
    Drains,
    Killed { had_lasted: bool },
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Role {
    /// It has the place of its slot.
    Holds,
    /// It is to have it.
    Comes,
    /// It is one too many, and stays until another one is ready.
    Stays,
    /// It goes, and a reload waits for it.
    MakesRoom,
    /// It goes.
    Goes,
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
    pub(super) fn has_lasted(&self, now: Duration) -> bool {
        match self.state {
            State::Ready { since } => now.saturating_sub(since) >= STEADY,
            State::Killed { had_lasted } => had_lasted,
            State::Starting | State::Drains => false,
        }
    }
}
