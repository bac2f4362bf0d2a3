//! Random scripts of adding, removing and emitting, also from within listeners,
//! compared with a plain list.

use crate::cases::cases;
use highwater::events::{Emitter, Subscription};
use proptest::prelude::*;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};

/// A step of the script, or of a listener when called.
#[derive(Clone, Copy, Debug)]
enum Action {
    Add,
    /// Removes a listener, which may be removed already.
    Remove(usize),
    Emit,
    /// Fails; only in a listener.
    Fail,
}

fn action() -> impl Strategy<Value = Action> {
    prop_oneof![
        3 => Just(Action::Add),
        2 => (0..MAX_LISTENERS).prop_map(Action::Remove),
        3 => Just(Action::Emit),
        1 => Just(Action::Fail),
    ]
}

// A listener may add and emit: without limits the script would not end.
const MAX_LISTENERS: usize = 10;
const MAX_DEPTH: usize = 2;

#[derive(Debug, PartialEq)]
enum Line {
    Called {
        depth: usize,
        listener: usize,
    },
    Emitted {
        delivered: usize,
        failed: Vec<usize>,
    },
}

/// The operations of the emitter and the model.
trait World {
    fn add(&self);
    fn remove(&self, listener: usize);
    fn emit(&self, depth: usize);
}

/// Performs the actions and returns whether one fails.
fn perform(world: &impl World, actions: &[Action], depth: usize) -> bool {
    let mut failed = false;
    for action in actions {
        match action {
            Action::Add => world.add(),
            Action::Remove(listener) => world.remove(*listener),
            Action::Emit if depth < MAX_DEPTH => world.emit(depth),
            Action::Emit => {}
            Action::Fail => failed = true,
        }
    }
    failed
}

#[derive(Default)]
struct Model {
    behaviours: Vec<Vec<Action>>,
    state: Mutex<ModelState>,
}

#[derive(Default)]
struct ModelState {
    added: usize,
    listeners: Vec<usize>,
    log: Vec<Line>,
}

impl World for Model {
    fn add(&self) {
        let mut state = self.state.lock().unwrap();
        if state.added < MAX_LISTENERS {
            let listener = state.added;
            state.listeners.push(listener);
            state.added += 1;
        }
    }

    fn remove(&self, listener: usize) {
        let mut state = self.state.lock().unwrap();
        state.listeners.retain(|known| *known != listener);
    }

    fn emit(&self, depth: usize) {
        let snapshot = self.state.lock().unwrap().listeners.clone();
        let mut failed = Vec::new();
        for listener in &snapshot {
            let line = Line::Called {
                depth,
                listener: *listener,
            };
            self.state.lock().unwrap().log.push(line);
            let behaviour = &self.behaviours[listener % self.behaviours.len()];
            if perform(self, behaviour, depth + 1) {
                failed.push(*listener);
            }
        }
        self.state.lock().unwrap().log.push(Line::Emitted {
            delivered: snapshot.len(),
            failed,
        });
    }
}

/// The emitter, and the state of the script.
struct Real {
    behaviours: Vec<Vec<Action>>,
    emitter: Emitter<usize>,
    subscriptions: Mutex<BTreeMap<usize, Subscription>>,
    added: Mutex<usize>,
    log: Mutex<Vec<Line>>,
}

impl World for Arc<Real> {
    fn add(&self) {
        let mut added = self.added.lock().unwrap();
        if *added == MAX_LISTENERS {
            return;
        }
        let listener = *added;
        *added += 1;
        let real = Arc::downgrade(self);
        let subscription = self.emitter.on(listener.to_string(), move |depth| {
            let real = real.upgrade().expect("alive while it emits");
            real.log.lock().unwrap().push(Line::Called {
                depth: *depth,
                listener,
            });
            let behaviour = &real.behaviours[listener % real.behaviours.len()];
            let failed = perform(&real, behaviour, depth + 1);
            if failed {
                return Err("a failing listener");
            }
            Ok(())
        });
        let mut subscriptions = self.subscriptions.lock().unwrap();
        subscriptions.insert(listener, subscription);
    }

    fn remove(&self, listener: usize) {
        let subscription = self.subscriptions.lock().unwrap().remove(&listener);
        drop(subscription);
    }

    fn emit(&self, depth: usize) {
        let (delivered, failed) = match self.emitter.emit(&depth) {
            Ok(delivered) => (delivered, Vec::new()),
            Err(error) => {
                assert!(!error.failures().is_empty());
                let failed = error.failures().iter();
                let failed = failed.map(|failure| failure.listener.parse().unwrap());
                (error.delivered(), failed.collect())
            }
        };
        let line = Line::Emitted { delivered, failed };
        self.log.lock().unwrap().push(line);
    }
}

proptest! {
    #![proptest_config(cases(1024))]

    #[test]
    fn emitter_is_a_list_with_snapshots(
        behaviours in prop::collection::vec(prop::collection::vec(action(), 0..3), 1..5),
        script in prop::collection::vec(action(), 0..16),
    ) {
        let model = Model { behaviours: behaviours.clone(), ..Model::default() };
        let real = Arc::new(Real {
            behaviours,
            emitter: Emitter::new(),
            subscriptions: Mutex::default(),
            added: Mutex::default(),
            log: Mutex::default(),
        });
        for step in script {
            perform(&model, &[step], 0);
            perform(&real, &[step], 0);
            let listeners = model.state.lock().unwrap().listeners.len();
            prop_assert_eq!(real.emitter.listener_count(), listeners);
        }
        let expected = &model.state.lock().unwrap().log;
        prop_assert_eq!(&*real.log.lock().unwrap(), expected);
    }
}
