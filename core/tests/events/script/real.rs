//! The emitter, and the state of a script.

use super::steps::{
    Line, MAX_LISTENERS, MAX_MONITORS, Placement, SeenNotice, Shared, World, perform,
};
use highwater::events::{
    CachedEmitter, Emitter, Failure, ListenerId, Notice, Options, Registration,
};
use std::sync::{Arc, Mutex, MutexGuard, Weak};

pub(crate) struct Real {
    shared: Shared,
    emitter: Emitter<usize>,
    cached: Mutex<CachedEmitter<usize>>,
    state: Mutex<State>,
    /// Shared by all listeners and monitors, to count them.
    held: Arc<()>,
}

#[derive(Default)]
struct State {
    listeners: Vec<ListenerId>,
    monitors: Vec<ListenerId>,
    /// The numbers of the monitored emits.
    emits: Vec<u64>,
    log: Vec<Line>,
}

impl Real {
    pub(crate) fn new(shared: Shared, options: Options) -> Arc<Self> {
        let emitter = Emitter::with_options(options);
        let is_observed = shared.setup.is_observed;
        let real = Arc::new(Real {
            shared,
            cached: Mutex::new(emitter.cached()),
            emitter,
            state: Mutex::default(),
            held: Arc::default(),
        });
        if is_observed {
            let weak = Arc::downgrade(&real);
            let observer = move |failure: &Failure| {
                let real = upgraded(&weak);
                real.note(Line::Observed(failure.listener.parse().unwrap()));
            };
            real.emitter.errors().on("observer", observer).detach();
        }
        real
    }

    pub(crate) fn listeners(&self) -> Vec<usize> {
        let listeners = self.emitter.listeners();
        listeners.iter().map(number_of).collect()
    }

    pub(crate) fn take_log(&self) -> Vec<Line> {
        std::mem::take(&mut self.state().log)
    }

    /// Returns the number of listeners and monitors, by their shares of `held`.
    pub(crate) fn held(&self) -> usize {
        // The cached handle may hold removed ones.
        if !self.shared.setup.is_cached {
            *self.cached.lock().unwrap() = self.emitter.cached();
        }
        Arc::strong_count(&self.held) - 1
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    fn note(&self, line: Line) {
        self.state().log.push(line);
    }

    fn tell(&self, monitor: usize, depth: usize, notice: Notice<'_>) {
        let (number, notice) = match notice {
            Notice::Emitting { emit, listeners } => (emit, SeenNotice::Emitting { listeners }),
            Notice::Delivering { emit, listener } => {
                (emit, SeenNotice::Delivering(number_of(listener)))
            }
            Notice::Delivered { emit, listener } => {
                (emit, SeenNotice::Delivered(number_of(listener)))
            }
            Notice::Failed { emit, listener, .. } => {
                (emit, SeenNotice::Failed(number_of(listener)))
            }
            Notice::Emitted {
                emit,
                delivered,
                failed,
            } => (emit, SeenNotice::Emitted { delivered, failed }),
            _ => unreachable!("a notice this test does not know"),
        };
        let mut state = self.state();
        let emits = &mut state.emits;
        let emit = emits.iter().position(|known| *known == number);
        let emit = emit.unwrap_or_else(|| {
            emits.push(number);
            emits.len() - 1
        });
        state.log.push(Line::Notified {
            monitor,
            emit,
            depth,
            notice,
        });
    }
}

/// Returns the number of a listener, which is its name.
fn number_of(listener: &Registration) -> usize {
    listener.name.parse().unwrap()
}

fn upgraded(real: &Weak<Real>) -> Arc<Real> {
    real.upgrade().expect("alive while it emits")
}

impl World for Arc<Real> {
    fn add(&self, kind: Placement) {
        let number = self.state().listeners.len();
        if number == MAX_LISTENERS {
            return;
        }
        let (real, held) = (Arc::downgrade(self), Arc::clone(&self.held));
        let listener = move |depth: &usize| {
            let (_, real) = (&held, upgraded(&real));
            real.note(Line::Called {
                depth: *depth,
                listener: number,
            });
            if perform(&real, real.shared.behaviour(number), depth + 1) {
                return Err("a failing listener");
            }
            Ok(())
        };
        let (emitter, name) = (&self.emitter, number.to_string());
        let subscription = match (kind.is_once, kind.is_first) {
            (false, false) => emitter.on(name, listener),
            (false, true) => emitter.prepend(name, listener),
            (true, false) => emitter.once(name, listener),
            (true, true) => emitter.prepend_once(name, listener),
        };
        self.state().listeners.push(subscription.detach());
    }

    fn remove(&self, listener: usize) {
        let id = self.state().listeners.get(listener).copied();
        let removed = id.is_some_and(|id| self.emitter.off(id));
        self.note(Line::Removed(removed));
    }

    fn remove_all(&self) {
        self.note(Line::RemovedAll(self.emitter.remove_all()));
    }

    fn emit(&self, depth: usize) {
        let emitted = if depth == 0 && self.shared.setup.is_cached {
            self.cached.lock().unwrap().emit(&depth)
        } else {
            self.emitter.emit(&depth)
        };
        let (delivered, failed) = match emitted {
            Ok(delivered) => (delivered, Vec::new()),
            Err(error) => {
                assert!(!error.failures().is_empty());
                let failures = error.failures().iter();
                let failed = failures.map(|failure| failure.listener.parse().unwrap());
                (error.delivered(), failed.collect())
            }
        };
        self.note(Line::Emitted { delivered, failed });
    }

    fn add_monitor(&self) {
        let number = self.state().monitors.len();
        if number == MAX_MONITORS {
            return;
        }
        let (real, held) = (Arc::downgrade(self), Arc::clone(&self.held));
        let monitor = self.emitter.monitor(move |depth, notice| {
            let (_, real) = (&held, upgraded(&real));
            real.tell(number, *depth, notice);
        });
        self.state().monitors.push(monitor.detach());
    }

    fn remove_monitor(&self, monitor: usize) {
        let id = self.state().monitors.get(monitor).copied();
        if let Some(id) = id {
            self.emitter.off(id);
        }
    }
}
