//! Runs a script against `highwater::events`, set to be like Node's emitter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use highwater::events::{Emitter, Failure, FailurePolicy, ListenerId, Options};

use super::script::{Event, Operation, Script};

/// Beyond these an emit, a registration or a behaviour is passed over, as in
/// the recording.
const MAX_DEPTH: i32 = 4;
const MAX_LISTENERS: usize = 48;
const MAX_CALLS: u32 = 200;

/// What is emitted: how deep, and as an error its message.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
struct Payload {
    depth: i32,
    message: String,
}

/// What a listener throws.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Thrown(String);

struct Host {
    behaviours: Vec<Vec<Operation>>,
    /// One for each event; Node's `error` goes by [`Emitter::errors`] of the
    /// first, and [`Emitter::raise`].
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

/// The way a listener is added.
#[derive(Clone, Copy)]
enum Add {
    On,
    Once,
    Prepend,
    PrependOnce,
}

impl Add {
    fn to<E: ?Sized + 'static>(
        self,
        emitter: &Emitter<E>,
        name: String,
        listener: impl Fn(&E) -> Result<(), Thrown> + Send + Sync + 'static,
    ) -> ListenerId {
        let added = match self {
            Add::On => emitter.on(name, listener),
            Add::Once => emitter.once(name, listener),
            Add::Prepend => emitter.prepend(name, listener),
            Add::PrependOnce => emitter.prepend_once(name, listener),
        };
        added.detach()
    }
}

/// What ours makes of a script.
pub(super) fn run(script: &Script) -> Vec<String> {
    let options = Options::new()
        .policy(FailurePolicy::FailFast)
        .max_listeners(0);
    let host = Arc::new(Host {
        behaviours: script.behaviours.clone(),
        emitters: Event::ALL.map(|_| Emitter::with_options(options.clone())),
        state: Mutex::default(),
    });
    for operation in &script.operations {
        // What it throws is in the trace.
        let _thrown = host.perform(*operation, -1, 0);
        host.note_listeners();
    }
    std::mem::take(&mut host.state().trace)
}

impl Host {
    fn perform(
        self: &Arc<Self>,
        operation: Operation,
        depth: i32,
        by: usize,
    ) -> Result<(), Thrown> {
        match operation {
            Operation::On(event) => self.add(event, Add::On),
            Operation::Once(event) => self.add(event, Add::Once),
            Operation::Prepend(event) => self.add(event, Add::Prepend),
            Operation::PrependOnce(event) => self.add(event, Add::PrependOnce),
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
            Operation::Throw => return Err(Thrown(format!("t{by}"))),
        }
        Ok(())
    }

    fn add(self: &Arc<Self>, event: Event, add: Add) {
        let number = self.state().registered.len();
        if number == MAX_LISTENERS {
            return;
        }
        let (host, name) = (Arc::downgrade(self), number.to_string());
        let called = move |depth| called(&host, number, event, depth);
        let id = if event == Event::Error {
            add.to(self.errors(), name, move |failure: &Failure| {
                let payload = failure.error.downcast_ref::<Payload>();
                called(payload.map_or(-1, |payload| payload.depth))
            })
        } else {
            add.to(self.emitter(event), name, move |payload: &Payload| {
                called(payload.depth)
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
        let answer = if event == Event::Error {
            self.emitters[0]
                .raise(Failure::new("script", payload))
                .map(|()| true)
        } else {
            self.emitter(event)
                .emit(&payload)
                .map(|delivered| delivered > 0)
        };
        let thrown = match answer {
            Ok(heard) => {
                self.note(format!("{heard} {name}"));
                return Ok(());
            }
            // The last: what comes back of an error that was raised is itself,
            // then what a listener threw instead.
            Err(error) => error
                .into_failures()
                .pop()
                .map(|failure| failure.error.to_string()),
        };
        let thrown = thrown.unwrap_or_default();
        self.note(format!("thrown {name} {thrown}"));
        Err(Thrown(thrown))
    }

    fn note_listeners(&self) {
        let has = Event::ALL.map(|event| {
            let listeners = match event {
                Event::Error => self.errors().listeners(),
                event => self.emitter(event).listeners(),
            };
            let numbers: Vec<&str> = listeners.iter().map(|listener| &*listener.name).collect();
            format!("{}={}", event.name(), numbers.join(","))
        });
        self.note(format!("has {}", has.join(" ")));
    }

    fn emitter(&self, event: Event) -> &Emitter<Payload> {
        &self.emitters[event as usize]
    }

    fn errors(&self) -> &Emitter<Failure> {
        self.emitters[0].errors()
    }

    fn note(&self, step: String) {
        self.state().trace.push(step);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Listener `number` is called, and does what it is there for.
fn called(host: &Weak<Host>, number: usize, event: Event, depth: i32) -> Result<(), Thrown> {
    let Some(host) = host.upgrade() else {
        return Ok(());
    };
    host.note(format!("call {number} {} {depth}", event.name()));
    let calls = {
        let mut state = host.state();
        state.calls += 1;
        state.calls
    };
    if calls > MAX_CALLS {
        return Ok(());
    }
    let behaviour = &host.behaviours[number % host.behaviours.len()];
    for operation in behaviour {
        host.perform(*operation, depth, number)?;
    }
    Ok(())
}
