//! Named workers in a trace, and the processes that ran under each name.

use super::workers::{DRAINING, KILLED, STARTING};
use crate::trace::{Event, NameId, RecordKind, Trace};
use std::{fmt::Write, time::Duration};

/// The worker slots of a run, built from its trace and ordered by first process.
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
    /// Builds the slots of a whole trace.
    #[must_use]
    pub fn of(trace: &Trace) -> Self {
        let mut slots = WorkerSlots::default();
        for event in &trace.events {
            slots.apply(trace, event);
        }
        slots
    }

    /// Applies the next record of a trace. If it makes a process ready in a slot that
    /// was empty, returns how long the slot was empty.
    pub fn apply(&mut self, trace: &Trace, event: &Event) -> Option<Duration> {
        match event.kind {
            // A source that was never `starting` is a pool. Its subject is not a
            // process.
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
                    // Breakers have other states.
                    _ => return None,
                };
                self.slot(event.source).enter(event.subject, state);
            }
            RecordKind::Exit => {
                // A supervisor exits too, but has no slot.
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

    /// Returns all slots.
    #[must_use]
    pub fn as_slice(&self) -> &[WorkerSlot] {
        &self.0
    }

    /// Returns the slot of the worker with this name.
    #[must_use]
    pub fn get(&self, worker: NameId) -> Option<&WorkerSlot> {
        self.0.iter().find(|slot| slot.worker == worker)
    }

    fn slot(&mut self, worker: NameId) -> &mut WorkerSlot {
        let mut slots = self.0.iter();
        let index = slots.position(|slot| slot.worker == worker);
        let index = index.unwrap_or_else(|| {
            self.0.push(WorkerSlot::new(worker));
            self.0.len() - 1
        });
        &mut self.0[index]
    }
}

/// A named worker, such as `Worker 1`, with its current and former processes.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct WorkerSlot {
    /// The worker's name.
    pub worker: NameId,
    /// The state of the latest process.
    pub state: WorkerState,
    /// All processes of this slot, oldest first.
    pub generations: Vec<Generation>,
    /// The time of the last exit, until the next process is ready.
    empty_since: Option<Duration>,
}

/// The state of the process in a [`WorkerSlot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WorkerState {
    /// It has started and does not accept requests yet.
    Starting,
    /// It accepts requests.
    Ready,
    /// It accepts no new requests and finishes those in flight.
    Draining,
    /// It was killed and has not exited yet.
    Killed,
    /// It crashed or was killed, and no replacement has started yet.
    Dead,
    /// It exited normally.
    Ended,
}

/// One process of a [`WorkerSlot`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Generation {
    /// The process id.
    pub process: u64,
    /// The cause of its exit; `None` while it runs or if it exited normally.
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

    /// Returns the number of the current process, counted from 1.
    #[must_use]
    pub fn generation(&self) -> usize {
        self.generations.len()
    }

    /// Returns the id of the latest process, or 0 if there was none.
    #[must_use]
    pub fn process(&self) -> u64 {
        let latest = self.generations.last();
        latest.map_or(0, |latest| latest.process)
    }

    /// Returns the ids of all processes with the causes of their exits, such as
    /// `1 ✗ a bug → 3`.
    #[must_use]
    pub fn history(&self, trace: &Trace) -> String {
        let mut history = String::new();
        for (index, generation) in self.generations.iter().enumerate() {
            if index > 0 {
                history.push_str(" → ");
            }
            // Writing to a string never fails.
            let _ = write!(history, "{}", generation.process);
            if let Some(cause) = generation.cause {
                history.push_str(" ✗ ");
                history.push_str(trace.name(cause));
            }
        }
        history
    }

    /// Sets the state of a process and adds it to the slot if it is new.
    fn enter(&mut self, process: u64, state: WorkerState) {
        // The system reuses ids, and processes that could not be started have none.
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
    /// Returns the name of the state.
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
