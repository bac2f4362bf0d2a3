//! A place for a process, and the processes that were there.

use super::workers::{DRAINING, KILLED, STARTING};
use crate::trace::{Event, NameId, RecordKind, Trace};
use std::{fmt::Write, time::Duration};

/// Every place for a process of a run, from its trace, in the order in which they
/// got their first process.
///
/// ```
/// use highwater::scenario::{self, WorkerState, WorkerSlots};
///
/// # if let Ok(scenario) = scenario::find("cluster") {
/// let slots = WorkerSlots::of(&scenario.experiment().simulate());
/// let [first, ..] = slots.as_slice() else { panic!("there are workers") };
/// assert_eq!(first.state, WorkerState::Ended);
/// # }
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkerSlots(Vec<WorkerSlot>);

impl WorkerSlots {
    /// Of a whole trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let mut slots = WorkerSlots::default();
        for event in &trace.events {
            slots.apply(trace, event);
        }
        slots
    }

    /// Adds the next record of a trace, or of what is there of it already. Where
    /// that is of a process that fills a place which was empty, answers for how
    /// long it was.
    pub fn apply(&mut self, trace: &Trace, event: &Event) -> Option<Duration> {
        match event.kind {
            // What was not starting before is a pool, and its subject no process.
            RecordKind::Start if event.subject > 0 => {
                let mut slots = self.0.iter_mut();
                let slot = slots.find(|it| it.worker == event.source)?;
                slot.enter(event.subject, WorkerState::Ready);
                let since = slot.empty_since.take()?;
                return Some(event.at.saturating_sub(since));
            }
            RecordKind::Switch => {
                let state = match event.target.map(|state| trace.name(state)) {
                    Some(STARTING) => WorkerState::Starting,
                    Some(DRAINING) => WorkerState::Draining,
                    Some(KILLED) => WorkerState::Killed,
                    // A breaker's are none of these.
                    _ => return None,
                };
                self.slot(event.source).enter(event.subject, state);
            }
            RecordKind::Exit => {
                // A supervisor exits too, and is at no place.
                let mut slots = self.0.iter_mut();
                if let Some(slot) = slots.find(|it| it.worker == event.source) {
                    slot.exit(event.failure);
                    slot.empty_since = Some(event.at);
                }
            }
            _ => {}
        }
        None
    }

    /// Each of them.
    #[must_use]
    pub fn as_slice(&self) -> &[WorkerSlot] {
        &self.0
    }

    /// The place of that name, if there is one.
    #[must_use]
    pub fn get(&self, worker: NameId) -> Option<&WorkerSlot> {
        self.0.iter().find(|slot| slot.worker == worker)
    }

    fn slot(&mut self, worker: NameId) -> &mut WorkerSlot {
        let mut slots = self.0.iter();
        let place = slots.position(|slot| slot.worker == worker);
        let place = place.unwrap_or_else(|| {
            self.0.push(WorkerSlot::new(worker));
            self.0.len() - 1
        });
        &mut self.0[place]
    }
}

/// A place for a process: who is there, and who was there before.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSlot {
    /// Whose place it is.
    pub worker: NameId,
    /// What the process there does.
    pub state: WorkerState,
    /// Every process that was started there, the latest last.
    pub generations: Vec<Generation>,
    /// Since when nobody is there who is ready; `None` if somebody is, and before
    /// the first.
    empty_since: Option<Duration>,
}

/// What the process at a [`WorkerSlot`] does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// It is started, and takes no requests yet.
    Starting,
    /// It takes requests.
    Ready,
    /// It takes no more requests, and finishes those it has.
    Draining,
    /// It was killed, and is about to be gone.
    Killed,
    /// It has died, and no other is there yet.
    Dead,
    /// It has come to its end.
    Ended,
}

/// One process of those that were at a [`WorkerSlot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// Its id.
    pub process: u64,
    /// Why it exited, unless it came to its end or is still there.
    pub cause: Option<NameId>,
}

impl WorkerSlot {
    fn new(worker: NameId) -> Self {
        WorkerSlot {
            worker,
            state: WorkerState::Starting,
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
    fn enter(&mut self, process: u64, state: WorkerState) {
        // An id may come again; and those that could not be started have none.
        let is_new = state == WorkerState::Starting || self.generations.is_empty();
        if is_new || self.process() != process {
            self.generations.push(Generation {
                process,
                cause: None,
            });
        }
        self.state = state;
    }

    fn exit(&mut self, cause: Option<NameId>) {
        if let Some(latest) = self.generations.last_mut() {
            latest.cause = cause;
        }
        self.state = match cause {
            Some(_) => WorkerState::Dead,
            None => WorkerState::Ended,
        };
    }
}

impl WorkerState {
    /// In a word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerState::Starting => STARTING,
            WorkerState::Ready => "ready",
            WorkerState::Draining => DRAINING,
            WorkerState::Killed => KILLED,
            WorkerState::Dead => "dead",
            WorkerState::Ended => "ended",
        }
    }
}
