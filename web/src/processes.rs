//! Processes in the tab: a Worker each, with a WebAssembly instance of its own,
//! reached by messages. It is a Worker of the Worker that a scenario runs in, and
//! ends with it.

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
    static STARTER: RefCell<Option<Function>> = const { RefCell::new(None) };
    static STARTED: Cell<u32> = const { Cell::new(0) };
    static RUNNING: RefCell<Vec<Weak<WorkerHandle>>> = const { RefCell::new(Vec::new()) };
}

/// Sets how processes are made: a function of a program's name that answers a
/// new Worker, which is to call [`run_process`](crate::run_process).
#[wasm_bindgen]
pub fn set_process_starter(starter: Function) {
    STARTER.set(Some(starter));
}

/// Starts Workers.
pub(crate) struct TabProcesses;

impl Processes for TabProcesses {
    fn start(&self, program: &'static Program) -> Process {
        let (events, receiver) = mpsc::unbounded();
        let handle = match make(program.name) {
            Ok(worker) => WorkerHandle::new(worker, events),
            Err(cause) => {
                // Whoever is to read it is about to be made.
                let _ = events.unbounded_send(lost_event(&cause));
                return Process::new(0, receiver, Rc::new(FailedStart));
            }
        };
        let id = STARTED.get() + 1;
        STARTED.set(id);
        RUNNING.with_borrow_mut(|running| {
            running.retain(|handle| handle.strong_count() > 0);
            running.push(Rc::downgrade(&handle));
        });
        Process::new(id, receiver, handle)
    }
}

/// Ends every process that is left, for the next run to begin anew: a task that
/// is never woken again may hold a handle for as long as this instance lives.
pub(crate) fn end_all() {
    STARTED.set(0);
    for handle in RUNNING.take() {
        if let Some(handle) = handle.upgrade() {
            handle.kill();
        }
    }
}

fn make(program: &str) -> Result<Worker, JsValue> {
    let starter = STARTER.with_borrow(Clone::clone);
    let starter = starter.ok_or_else(|| JsValue::from("nothing here makes Workers"))?;
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

/// A Worker, and who is receiver of it.
struct WorkerHandle {
    worker: Worker,
    events: UnboundedSender<ProcessEvent>,
    has_ended: Cell<bool>,
    /// What the Worker calls.
    listeners: RefCell<Option<Listeners>>,
}

type Listeners = (Closure<dyn FnMut(MessageEvent)>, Closure<dyn FnMut(Event)>);

impl WorkerHandle {
    fn new(worker: Worker, events: UnboundedSender<ProcessEvent>) -> Rc<Self> {
        let handle = Rc::new(WorkerHandle {
            worker,
            events,
            has_ended: Cell::new(false),
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
            // It is receiver; the console need not say it too.
            event.prevent_default();
            // One whose script cannot be loaded says nothing of why.
            let message = js_sys::Reflect::get(&event, &"message".into()).unwrap_or_default();
            let message = message.as_string().unwrap_or_default();
            let why = ["its Worker failed. ", &message].concat();
            if let Some(handle) = weak.upgrade() {
                handle.on_event(lost_event(&why.into()));
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
        if self.has_ended.get() {
            return;
        }
        if let ProcessEvent::Exited(_) = event {
            self.has_ended.set(true);
            // After a trap the instance is lost_event, and its Worker still there.
            self.worker.terminate();
        }
        // FailedStart reads if the handle was dropped.
        let _ = self.events.unbounded_send(event);
    }

    fn send_order(&self, send_order: &ProcessInput) {
        // It fails where the Worker has ended, and then nobody takes it.
        let _ = self.worker.post_message(&send_order.to_line().into());
    }
}

impl ProcessLink for WorkerHandle {
    fn send(&self, message: String) {
        self.send_order(&ProcessInput::Message(message));
    }

    fn close(&self) {
        self.send_order(&ProcessInput::Close);
    }

    fn kill(&self) {
        self.on_event(ProcessEvent::Exited(Exit::Killed));
    }
}

impl Drop for WorkerHandle {
    fn drop(&mut self) {
        // Something may be on its way, and would call what is gone.
        self.worker.set_onmessage(None);
        self.worker.set_onerror(None);
    }
}

/// The way to a process that could not be made.
struct FailedStart;

impl ProcessLink for FailedStart {
    fn send(&self, _: String) {}

    fn close(&self) {}

    fn kill(&self) {}
}
