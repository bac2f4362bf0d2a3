//! A place for a process, and the processes that were there.

use crate::trace::{NameId, Trace};
use std::{fmt::Write, time::Duration};

/// What a process changes to, in the trace.
pub(in crate::scenario) const STARTING: &str = "starting";
pub(in crate::scenario) const DRAINING: &str = "draining";

/// A place for a process: who is there, and who was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Station {
    /// Whose place it is.
    pub worker: NameId,
    /// What the process there does.
    pub state: StationState,
    /// Every process that was started there, the latest last.
    pub generations: Vec<Generation>,
    /// Since when nobody is there who is ready; `None` if somebody is, and before
    /// the first.
    pub(super) empty_since: Option<Duration>,
}

/// What the process at a [`Station`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StationState {
    /// It is started, and takes no requests yet.
    Starting,
    /// It takes requests.
    Ready,
    /// It takes no more requests, and finishes those it has.
    Draining,
    /// It has died, and no other is there yet.
    Dead,
    /// It has come to its end.
    Ended,
}

/// One process of those that were at a [`Station`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// Its id.
    pub process: u64,
    /// Why it exited, unless it came to its end or is still there.
    pub cause: Option<NameId>,
}

impl Station {
    pub(super) fn new(worker: NameId) -> Self {
        Station {
            worker,
            state: StationState::Starting,
            generations: Vec::new(),
            empty_since: None,
        }
    }

    /// Which of its processes is there, counted from 1.
    #[must_use]
    pub fn generation(&self) -> usize {
        self.generations.len()
    }

    /// The id of the latest process; 0 if there was none.
    #[must_use]
    pub fn process(&self) -> u64 {
        let latest = self.generations.last();
        latest.map_or(0, |latest| latest.process)
    }

    /// The ids of all its processes, and why they exited: `1 ✗ a bug → 3`.
    #[must_use]
    pub fn history(&self, trace: &Trace) -> String {
        let mut history = String::new();
        for (place, generation) in self.generations.iter().enumerate() {
            if place > 0 {
                history.push_str(" → ");
            }
            // A string takes whatever is written to it.
            let _ = write!(history, "{}", generation.process);
            if let Some(cause) = generation.cause {
                history.push_str(" ✗ ");
                history.push_str(trace.name(cause));
            }
        }
        history
    }

    /// This process is there now, if it was not before.
    pub(super) fn enter(&mut self, process: u64, state: StationState) {
        // An id may come again; and those that could not be started have none.
        let is_new = state == StationState::Starting || self.generations.is_empty();
        if is_new || self.process() != process {
            self.generations.push(Generation {
                process,
                cause: None,
            });
        }
        self.state = state;
    }

    pub(super) fn exit(&mut self, cause: Option<NameId>) {
        if let Some(latest) = self.generations.last_mut() {
            latest.cause = cause;
        }
        self.state = match cause {
            Some(_) => StationState::Dead,
            None => StationState::Ended,
        };
    }
}

impl StationState {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            StationState::Starting => STARTING,
            StationState::Ready => "ready",
            StationState::Draining => DRAINING,
            StationState::Dead => "dead",
            StationState::Ended => "ended",
        }
    }
}
