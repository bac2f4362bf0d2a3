//! Runs a script against `highwater::events`, set to be like Node's emitter.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use highwater::events::{Emitter, ListenerId, Options, Policy};

use super::script::{Event, Operation, Script};

/// Beyond these an emit, a registration or a behaviour is passed over, as in
/// the recording.
const MAX_DEPTH: i32 = 4;
const MAX_LISTENERS: usize = 48;
const MAX_CALLS: u32 = 200;

/// What is emitted: how deep, and as an error its message.
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
type Add = fn(&Emitter<Payload>, Arc<str>, Listener) -> ListenerId;

/// What a listener is called with.
type Listener = Box<dyn Fn(&Payload) -> Result<(), Thrown> + Send + Sync>;

/// What ours makes of a script.
pub(super) fn run(script: &Script) -> Vec<String> {
    let options = Options::new().policy(Policy::FailFast).max_listeners(0);
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
            Operation::On(event) => self.add(event, |emitter, name, listener| {
                emitter.on(name, listener).detach()
            }),
            Operation::Once(event) => self.add(event, |emitter, name, listener| {
                emitter.once(name, listener).detach()
            }),
            Operation::Prepend(event) => self.add(event, |emitter, name, listener| {
                emitter.prepend(name, listener).detach()
            }),
            Operation::PrependOnce(event) => self.add(event, |emitter, name, listener| {
                emitter.prepend_once(name, listener).detach()
            }),
            Operation::Off(number) => {
                let registered = self.state().registered.clone();
                if let Some(index) = number.checked_rem(registered.len()) {
                    let (event, id) = registered[index];
                    self.emitter(event).off(id);
                }
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
        let host = Arc::downgrade(self);
        let listener = move |payload: &Payload| called(&host, number, event, payload.depth);
        let name = number.to_string().into();
        let id = add(self.emitter(event), name, Box::new(listener));
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
        let thrown = match self.emitter(event).emit(&payload) {
            // Node's rule: an error that nobody hears is thrown.
            Ok(0) if event == Event::Error => payload.message,
            Ok(delivered) => {
                self.note(format!("{} {name}", delivered > 0));
                return Ok(());
            }
            Err(error) => error.failures()[0].error.to_string(),
        };
        self.note(format!("thrown {name} {thrown}"));
        Err(Thrown(thrown))
    }

    fn note_listeners(&self) {
        let has = Event::ALL.map(|event| {
            let listeners = self.emitter(event).listeners();
            let numbers: Vec<&str> = listeners.iter().map(|listener| &*listener.name).collect();
            format!("{}={}", event.name(), numbers.join(","))
        });
        self.note(format!("has {}", has.join(" ")));
    }

    fn emitter(&self, event: Event) -> &Emitter<Payload> {
        &self.emitters[event as usize]
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
