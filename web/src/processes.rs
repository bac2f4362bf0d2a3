//! The tab's `Processes` port. Each process is a Worker with its own WebAssembly
//! instance, reached by messages. It is nested in the Worker that runs the scenario,
//! and exits with it.

use futures::channel::mpsc::{self, UnboundedSender};
use highwater::platform::{
    Exit, Process, ProcessEvent, ProcessInput, ProcessLink, Processes, Program,
};
use js_sys::Function;
use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
};
use wasm_bindgen::prelude::*;
use web_sys::{Event, MessageEvent, Worker};

thread_local! {
    static PROCESS_STARTER: RefCell<Option<Function>> = const { RefCell::new(None) };
    static STARTED_COUNT: Cell<u32> = const { Cell::new(0) };
    static RUNNING_WORKERS: RefCell<Vec<Weak<WorkerHandle>>> = const { RefCell::new(Vec::new()) };
}

/// Sets the function that starts a process. It takes a program's name and returns a
/// new Worker, which must call [`run_process`](crate::run_process).
#[wasm_bindgen]
pub fn set_process_starter(starter: Function) {
    PROCESS_STARTER.set(Some(starter));
}

/// Starts each process as a Worker.
pub(crate) struct TabProcesses;

impl Processes for TabProcesses {
    fn start(&self, program: &'static Program) -> Process {
        let (events, receiver) = mpsc::unbounded();
        let handle = match start_worker(program.name) {
            Ok(worker) => WorkerHandle::new(worker, events),
            Err(cause) => {
                // Cannot fail, because the receiver still exists.
                let _ = events.unbounded_send(lost_event(&cause));
                return Process::new(0, receiver, Rc::new(FailedStart));
            }
        };
        let id = STARTED_COUNT.get() + 1;
        STARTED_COUNT.set(id);
        RUNNING_WORKERS.with_borrow_mut(|running| {
            running.retain(|handle| handle.strong_count() > 0);
            running.push(Rc::downgrade(&handle));
        });
        Process::new(id, receiver, handle)
    }
}

/// Kills every remaining process before the next run. A task that is never woken again
/// may keep its handle until this instance exits.
pub(crate) fn kill_all() {
    STARTED_COUNT.set(0);
    for handle in RUNNING_WORKERS.take() {
        if let Some(handle) = handle.upgrade() {
            handle.kill();
        }
    }
}

fn start_worker(program: &str) -> Result<Worker, JsValue> {
    let starter = PROCESS_STARTER.with_borrow(Clone::clone);
    let starter = starter.ok_or_else(|| JsValue::from("no process starter is set"))?;
    starter
        .call1(&JsValue::NULL, &program.into())?
        .dyn_into::<Worker>()
}

fn lost_event(cause: &JsValue) -> ProcessEvent {
    let text = cause.as_string();
    let reason =
        text.unwrap_or_else(|| String::from(js_sys::Object::from(cause.clone()).to_string()));
    ProcessEvent::Exited(Exit::Lost { reason })
}

/// A process as a Worker, and the channel for its events.
struct WorkerHandle {
    worker: Worker,
    events: UnboundedSender<ProcessEvent>,
    has_exited: Cell<bool>,
    /// Callbacks of the Worker.
    listeners: RefCell<Option<Listeners>>,
}

type Listeners = (Closure<dyn FnMut(MessageEvent)>, Closure<dyn FnMut(Event)>);

impl WorkerHandle {
    fn new(worker: Worker, events: UnboundedSender<ProcessEvent>) -> Rc<Self> {
        let handle = Rc::new(WorkerHandle {
            worker,
            events,
            has_exited: Cell::new(false),
            listeners: RefCell::default(),
        });
        let weak = Rc::downgrade(&handle);
        let on_message = Closure::new(move |event: MessageEvent| {
            let line = event.data().as_string().unwrap_or_default();
            if let (Some(handle), Some(event)) = (weak.upgrade(), ProcessEvent::from_line(&line)) {
                handle.on_event(event);
            }
        });
        let weak = Rc::downgrade(&handle);
        let on_error = Closure::new(move |event: Event| {
            // The error is reported as an exit, so do not log it to the console.
            event.prevent_default();
            // There is no message if the script cannot be loaded.
            let message = js_sys::Reflect::get(&event, &"message".into()).unwrap_or_default();
            let message = message.as_string().unwrap_or_default();
            let reason = ["its Worker failed. ", &message].concat();
            if let Some(handle) = weak.upgrade() {
                handle.on_event(lost_event(&reason.into()));
            }
        });
        let calls: [&Function; 2] = [
            on_message.as_ref().unchecked_ref(),
            on_error.as_ref().unchecked_ref(),
        ];
        handle.worker.set_onmessage(Some(calls[0]));
        handle.worker.set_onerror(Some(calls[1]));
        handle.listeners.replace(Some((on_message, on_error)));
        handle
    }

    fn on_event(&self, event: ProcessEvent) {
        if self.has_exited.get() {
            return;
        }
        if let ProcessEvent::Exited(_) = event {
            self.has_exited.set(true);
            // A trap leaves the Worker running.
            self.worker.terminate();
        }
        // Fails if the `Process` was dropped.
        let _ = self.events.unbounded_send(event);
    }

    fn send_input(&self, input: &ProcessInput) {
        // Fails if the Worker has exited.
        let _ = self.worker.post_message(&input.to_line().into());
    }
}

impl ProcessLink for WorkerHandle {
    fn send(&self, message: String) {
        self.send_input(&ProcessInput::Message(message));
    }

    fn close(&self) {
        self.send_input(&ProcessInput::Close);
    }

    fn kill(&self) {
        self.on_event(ProcessEvent::Exited(Exit::Killed));
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // A queued message would call a dropped closure.
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
    }
}

/// The link to a process that failed to start.
struct FailedStart;

impl ProcessLink for FailedStart {
    fn send(&self, _: String) {}

    fn close(&self) {}

    fn kill(&self) {}
}
