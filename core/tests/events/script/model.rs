//! The model of an emitter.

use super::steps::{
    Line, MAX_LISTENERS, MAX_MONITORS, Placement, SeenNotice, Shared, World, perform,
};
use highwater::events::{FailurePolicy, Removal};
use std::sync::{Mutex, MutexGuard};

pub(crate) struct Model {
    shared: Shared,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// All listeners ever added, by number.
    added: Vec<Listener>,
    /// The numbers of the current listeners, in order.
    listeners: Vec<usize>,
    monitors_added: usize,
    monitors: Vec<usize>,
    monitored_emits: usize,
    log: Vec<Line>,
}

struct Listener {
    is_once: bool,
    has_fired: bool,
}

/// An emit in progress.
struct Emit<'a> {
    model: &'a Model,
    monitors: Vec<usize>,
    number: usize,
    depth: usize,
}

impl Model {
    pub(crate) fn new(shared: Shared) -> Self {
        Model {
            shared,
            state: Mutex::default(),
        }
    }

    pub(crate) fn listeners(&self) -> Vec<usize> {
        self.state().listeners.clone()
    }

    pub(crate) fn take_log(&self) -> Vec<Line> {
        std::mem::take(&mut self.state().log)
    }

    /// Returns the number of listeners and monitors.
    pub(crate) fn held(&self) -> usize {
        let state = self.state();
        state.listeners.len() + state.monitors.len()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn note(&self, line: Line) {
        self.state().log.push(line);
    }

    /// Returns whether an emit that reaches a listener calls it.
    fn admits(&self, listener: usize) -> bool {
        let mut state = self.state();
        let is_removed = !state.listeners.contains(&listener);
        if is_removed && self.shared.setup.removal == Removal::Live {
            return false;
        }
        if !state.added[listener].is_once {
            return true;
        }
        state.listeners.retain(|known| *known != listener);
        !std::mem::replace(&mut state.added[listener].has_fired, true)
    }
}

impl Emit<'_> {
    fn tell(&self, notice: SeenNotice) {
        for monitor in &self.monitors {
            self.model.note(Line::Notified {
                monitor: *monitor,
                emit: self.number,
                depth: self.depth,
                notice,
            });
        }
    }
}

impl World for Model {
    fn add(&self, Placement { is_once, is_first }: Placement) {
        let mut state = self.state();
        let number = state.added.len();
        if number == MAX_LISTENERS {
            return;
        }
        state.added.push(Listener {
            is_once,
            has_fired: false,
        });
        let place = if is_first { 0 } else { state.listeners.len() };
        state.listeners.insert(place, number);
    }

    fn remove(&self, listener: usize) {
        let mut state = self.state();
        let before = state.listeners.len();
        state.listeners.retain(|known| *known != listener);
        let removed = state.listeners.len() < before;
        state.log.push(Line::Removed(removed));
    }

    fn remove_all(&self) {
        let mut state = self.state();
        let removed = std::mem::take(&mut state.listeners).len();
        state.log.push(Line::RemovedAll(removed));
    }

    fn emit(&self, depth: usize) {
        let setup = self.shared.setup;
        let (snapshot, monitors, number) = {
            let mut state = self.state();
            let number = state.monitored_emits;
            state.monitored_emits += usize::from(!state.monitors.is_empty());
            (state.listeners.clone(), state.monitors.clone(), number)
        };
        let emit = Emit {
            model: self,
            monitors,
            number,
            depth,
        };
        let listeners = snapshot.len();
        emit.tell(SeenNotice::Emitting { listeners });
        let (mut delivered, mut failures, mut unobserved) = (0, 0, Vec::new());
        for listener in snapshot {
            if !self.admits(listener) {
                continue;
            }
            delivered += 1;
            emit.tell(SeenNotice::Delivering(listener));
            self.note(Line::Called { depth, listener });
            if !perform(self, self.shared.behaviour(listener), depth + 1) {
                emit.tell(SeenNotice::Delivered(listener));
                continue;
            }
            failures += 1;
            emit.tell(SeenNotice::Failed(listener));
            if setup.policy == FailurePolicy::FailFast {
                unobserved.push(listener);
                break;
            }
            if setup.is_observed {
                self.note(Line::Observed(listener));
            } else {
                unobserved.push(listener);
            }
        }
        emit.tell(SeenNotice::Emitted {
            delivered,
            failed: failures,
        });
        self.note(Line::Emitted {
            delivered,
            failed: unobserved,
        });
    }

    fn add_monitor(&self) {
        let mut state = self.state();
        let monitor = state.monitors_added;
        if monitor < MAX_MONITORS {
            state.monitors_added += 1;
            state.monitors.push(monitor);
        }
    }

    fn remove_monitor(&self, monitor: usize) {
        let mut state = self.state();
        state.monitors.retain(|known| *known != monitor);
    }
}
