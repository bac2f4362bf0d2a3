//! Runs scripts against `highwater::events`, configured like Node's `EventEmitter`.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use highwater::events::{Emitter, Failure, FailurePolicy, ListenerId, Options};

use super::script::{Event, Operation, Script};

/// Emits, registrations and behaviours beyond these limits are skipped, as in the
/// recorder.
const MAX_DEPTH: i32 = 4;
const MAX_LISTENERS: usize = 48;
const MAX_CALLS: u32 = 200;

/// The payload of an emit: its nesting depth and, for errors, the message.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Payload {
    depth: i32,
    message: String,
}

/// An error thrown by a listener.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Thrown(String);

struct Runner {
    behaviours: Vec<Vec<Operation>>,
    /// One emitter per event. Node's `error` event maps to [`Emitter::errors`] and
    /// [`Emitter::raise`] of the first emitter.
    emitters: [Emitter<Payload>; 3],
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    registered: Vec<(Event, ListenerId)>,
    calls: u32,
    emits: u32,
    trace: Vec<String>,
}

/// A kind of registration.
#[derive(Clone, Copy)]
enum Registration {
    On,
    Once,
    Prepend,
    PrependOnce,
}

impl Registration {
    fn add_to<E: ?Sized + 'static>(
        self,
        emitter: &Emitter<E>,
        name: String,
        listener: impl Fn(&E) -> Result<(), Thrown> + Send + Sync + 'static,
    ) -> ListenerId {
        let handle = match self {
            Registration::On => emitter.on(name, listener),
            Registration::Once => emitter.once(name, listener),
            Registration::Prepend => emitter.prepend(name, listener),
            Registration::PrependOnce => emitter.prepend_once(name, listener),
        };
        handle.detach()
    }
}

/// Runs a script and returns its trace.
pub(super) fn run(script: &Script) -> Vec<String> {
    let options = Options::new()
        .policy(FailurePolicy::FailFast)
        .max_listeners(0);
    let runner = Arc::new(Runner {
        behaviours: script.behaviours.clone(),
        emitters: Event::ALL.map(|_| Emitter::with_options(options.clone())),
        state: Mutex::default(),
    });
    for operation in &script.operations {
        // The error is already in the trace.
        let _thrown = runner.perform(*operation, -1, 0);
        runner.record_listeners();
    }
    std::mem::take(&mut runner.state().trace)
}

impl Runner {
    fn perform(
        self: &Arc<Self>,
        operation: Operation,
        depth: i32,
        listener: usize,
    ) -> Result<(), Thrown> {
        match operation {
            Operation::On(event) => self.add(event, Registration::On),
            Operation::Once(event) => self.add(event, Registration::Once),
            Operation::Prepend(event) => self.add(event, Registration::Prepend),
            Operation::PrependOnce(event) => self.add(event, Registration::PrependOnce),
            Operation::Off(number) => {
                let registered = self.state().registered.clone();
                if let Some(index) = number.checked_rem(registered.len()) {
                    let (event, id) = registered[index];
                    match event {
                        Event::Error => self.errors().off(id),
                        event => self.emitter(event).off(id),
                    };
                }
            }
            Operation::RemoveAll(Event::Error) => {
                self.errors().remove_all();
            }
            Operation::RemoveAll(event) => {
                self.emitter(event).remove_all();
            }
            Operation::Emit(event) => self.emit(event, depth + 1)?,
            Operation::Try(event) => {
                let _caught = self.emit(event, depth + 1);
            }
            Operation::Throw => return Err(Thrown(format!("t{listener}"))),
        }
        Ok(())
    }

    fn add(self: &Arc<Self>, event: Event, registration: Registration) {
        let number = self.state().registered.len();
        if number == MAX_LISTENERS {
            return;
        }
        let (runner, name) = (Arc::downgrade(self), number.to_string());
        let call = move |depth| call_listener(&runner, number, event, depth);
        let id = if event == Event::Error {
            registration.add_to(self.errors(), name, move |failure: &Failure| {
                let payload = failure.error.downcast_ref::<Payload>();
                call(payload.map_or(-1, |payload| payload.depth))
            })
        } else {
            registration.add_to(self.emitter(event), name, move |payload: &Payload| {
                call(payload.depth)
            })
        };
        self.state().registered.push((event, id));
    }

    fn emit(&self, event: Event, depth: i32) -> Result<(), Thrown> {
        if depth > MAX_DEPTH {
            return Ok(());
        }
        let message = {
            let mut state = self.state();
            state.emits += 1;
            format!("e{}", state.emits)
        };
        let payload = Payload { depth, message };
        let name = event.name();
        let result = if event == Event::Error {
            self.emitters[0]
                .raise(Failure::new("script", payload))
                .map(|()| true)
        } else {
            self.emitter(event)
                .emit(&payload)
                .map(|delivered| delivered > 0)
        };
        let thrown = match result {
            Ok(has_listeners) => {
                self.record(format!("{has_listeners} {name}"));
                return Ok(());
            }
            // The last failure counts: a raised error comes first, followed by any
            // error that a listener has thrown.
            Err(error) => error
                .into_failures()
                .pop()
                .map(|failure| failure.error.to_string()),
        };
        let thrown = thrown.unwrap_or_default();
        self.record(format!("thrown {name} {thrown}"));
        Err(Thrown(thrown))
    }

    fn record_listeners(&self) {
        let listeners_by_event = Event::ALL.map(|event| {
            let listeners = match event {
                Event::Error => self.errors().listeners(),
                event => self.emitter(event).listeners(),
            };
            let numbers: Vec<&str> = listeners.iter().map(|listener| &*listener.name).collect();
            format!("{}={}", event.name(), numbers.join(","))
        });
        self.record(format!("has {}", listeners_by_event.join(" ")));
    }

    fn emitter(&self, event: Event) -> &Emitter<Payload> {
        &self.emitters[event as usize]
    }

    fn errors(&self) -> &Emitter<Failure> {
        self.emitters[0].errors()
    }

    fn record(&self, step: String) {
        self.state().trace.push(step);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs the behaviour of listener `number`.
fn call_listener(
    runner: &Weak<Runner>,
    number: usize,
    event: Event,
    depth: i32,
) -> Result<(), Thrown> {
    let Some(runner) = runner.upgrade() else {
        return Ok(());
    };
    runner.record(format!("call {number} {} {depth}", event.name()));
    let calls = {
        let mut state = runner.state();
        state.calls += 1;
        state.calls
    };
    if calls > MAX_CALLS {
        return Ok(());
    }
    let behaviour = &runner.behaviours[number % runner.behaviours.len()];
    for operation in behaviour {
        runner.perform(*operation, depth, number)?;
    }
    Ok(())
}
