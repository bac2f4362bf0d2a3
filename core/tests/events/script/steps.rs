//! The steps of a script, and the log of what they do.

use highwater::events::{FailurePolicy, Removal};
use proptest::prelude::*;

/// A step of a script, or of a listener when called.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Action {
    Add(Placement),
    /// Removes a listener, which may be removed already.
    Remove(usize),
    RemoveAll,
    Emit,
    AddMonitor,
    RemoveMonitor(usize),
    /// Fails; only in a listener.
    Fail,
}

/// The kind of registration.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    pub(crate) is_once: bool,
    pub(crate) is_first: bool,
}

pub(crate) fn action() -> impl Strategy<Value = Action> {
    let kind = |(is_once, is_first)| Action::Add(Placement { is_once, is_first });
    prop_oneof![
        8 => any::<(bool, bool)>().prop_map(kind),
        4 => (0..MAX_LISTENERS).prop_map(Action::Remove),
        1 => Just(Action::RemoveAll),
        8 => Just(Action::Emit),
        1 => Just(Action::AddMonitor),
        1 => (0..MAX_MONITORS).prop_map(Action::RemoveMonitor),
        3 => Just(Action::Fail),
    ]
}

// A listener may add and emit: without limits a script would not end.
pub(crate) const MAX_LISTENERS: usize = 12;
pub(crate) const MAX_MONITORS: usize = 3;
const MAX_DEPTH: usize = 3;

/// The options of a script.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setup {
    pub(crate) policy: FailurePolicy,
    pub(crate) removal: Removal,
    /// The emitter's failures have an observer.
    pub(crate) is_observed: bool,
    /// Top-level emits go through a cached handle.
    pub(crate) is_cached: bool,
}

/// The parts that the emitter and its model share.
#[derive(Clone)]
pub(crate) struct Shared {
    pub(crate) setup: Setup,
    pub(crate) behaviours: Vec<Vec<Action>>,
}

impl Shared {
    pub(crate) fn behaviour(&self, listener: usize) -> &[Action] {
        &self.behaviours[listener % self.behaviours.len()]
    }
}

/// A line of the log, in which the two are compared.
#[derive(Debug, PartialEq)]
pub(crate) enum Line {
    Called {
        depth: usize,
        listener: usize,
    },
    Emitted {
        delivered: usize,
        failed: Vec<usize>,
    },
    Removed(bool),
    RemovedAll(usize),
    Observed(usize),
    Notified {
        monitor: usize,
        /// The index among the monitored emits.
        emit: usize,
        depth: usize,
        notice: SeenNotice,
    },
}

/// A notice without references.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum SeenNotice {
    Emitting { listeners: usize },
    Delivering(usize),
    Delivered(usize),
    Failed(usize),
    Emitted { delivered: usize, failed: usize },
}

/// The operations of the emitter and the model.
pub(crate) trait World {
    fn add(&self, kind: Placement);
    fn remove(&self, listener: usize);
    fn remove_all(&self);
    fn emit(&self, depth: usize);
    fn add_monitor(&self);
    fn remove_monitor(&self, monitor: usize);
}

/// Performs the actions and returns whether one fails.
pub(crate) fn perform(world: &impl World, actions: &[Action], depth: usize) -> bool {
    let mut failed = false;
    for action in actions {
        match action {
            Action::Add(kind) => world.add(*kind),
            Action::Remove(listener) => world.remove(*listener),
            Action::RemoveAll => world.remove_all(),
            Action::Emit if depth < MAX_DEPTH => world.emit(depth),
            Action::Emit => {}
            Action::AddMonitor => world.add_monitor(),
            Action::RemoveMonitor(monitor) => world.remove_monitor(*monitor),
            Action::Fail => failed = true,
        }
    }
    failed
}
