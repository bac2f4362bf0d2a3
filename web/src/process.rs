//! The process side: runs one program of a scenario in its own Worker, connected to its
//! parent.

use crate::{platform::core, timer::TabTimer};
use futures::channel::mpsc::{self, UnboundedSender};
use highwater::{
    platform::{Exit, ParentLink, ProcessContext, ProcessEvent, ProcessInput, Program},
    scenario,
};
use std::{panic::PanicHookInfo, rc::Rc};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_name = postMessage)]
    fn post_message(line: &str);
}

/// Receives the parent's messages.
#[wasm_bindgen]
pub struct Inbox(UnboundedSender<String>);

#[wasm_bindgen]
impl Inbox {
    /// Delivers a message that the Worker received.
    pub fn deliver(&self, line: &str) {
        match ProcessInput::from_line(line) {
            // Ignored once the inbox is closed.
            Some(ProcessInput::Message(text)) => drop(self.0.unbounded_send(text)),
            Some(ProcessInput::Close) => self.0.close_channel(),
            None => {}
        }
    }
}

/// Runs the program of that name in this Worker.
///
/// The program's events, including its exit, are posted as messages. The parent
/// terminates the Worker after the exit.
///
/// # Errors
///
/// Fails if this build has no program of that name.
#[wasm_bindgen]
pub fn run_process(program: &str) -> Result<Inbox, JsError> {
    let program = scenario::program(program)
        .ok_or_else(|| JsError::new(&["unknown program ", program].concat()))?;
    Ok(run_program(program))
}

/// Runs a program that belongs to no scenario; see [`run_process`].
pub fn run_program(program: &'static Program) -> Inbox {
    std::panic::set_hook(Box::new(report_panic));
    let (sender, inbox) = mpsc::unbounded();
    let platform = core(TabTimer::start());
    let context = ProcessContext::new(platform, inbox, Rc::new(Parent));
    wasm_bindgen_futures::spawn_local(async move {
        (program.run)(context).await;
        post_event(&ProcessEvent::Exited(Exit::Finished));
    });
    Inbox(sender)
}

/// The link to the Worker that started this one.
struct Parent;

impl ParentLink for Parent {
    fn send(&self, event: ProcessEvent) {
        post_event(&event);
    }
}

fn post_event(event: &ProcessEvent) {
    post_message(&event.to_line());
}

/// Reports a panic, just before the instance traps.
fn report_panic(info: &PanicHookInfo<'_>) {
    let message = info.payload_as_str().unwrap_or("a panic without a message");
    post_event(&ProcessEvent::Exited(Exit::Bug {
        message: message.to_owned(),
        location: info.location().map(ToString::to_string),
    }));
}
