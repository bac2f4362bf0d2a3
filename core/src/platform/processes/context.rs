//! A process's view of its own world and its parent.

use super::ProcessEvent;
use crate::platform::Platform;
use futures_channel::mpsc;
use futures_util::StreamExt;
use std::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    future::{pending, poll_fn},
    rc::Rc,
};

/// The context of a running [`Program`](super::Program): its own loop, and the link
/// to its parent.
///
/// Clones belong to the same process; give one to each task.
#[derive(Clone)]
pub struct ProcessContext {
    platform: Platform,
    inbox: Rc<RefCell<mpsc::UnboundedReceiver<String>>>,
    parent: Rc<dyn ParentLink>,
}

/// A world's link from a process to its parent.
pub trait ParentLink {
    /// Sends an event. Events arrive in order.
    fn send(&self, event: ProcessEvent);

    /// Crashes the process, by a panic unless the world has its own way. If this
    /// returns, no code of the process may run any more.
    fn crash(&self, message: String) {
        panic!("{message}");
    }
}

impl ProcessContext {
    /// Creates the context of a process. Messages arrive through `inbox`, which
    /// closes after the last one.
    pub fn new(
        platform: Platform,
        inbox: mpsc::UnboundedReceiver<String>,
        parent: Rc<dyn ParentLink>,
    ) -> Self {
        ProcessContext {
            platform,
            inbox: Rc::new(RefCell::new(inbox)),
            parent,
        }
    }

    /// Returns the ports of this process: its own clock, timer and tasks. The clock
    /// starts at zero when the process begins, not when the run did. Tasks that are
    /// unfinished when the program completes are dropped.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Waits for the next message. Returns `None` after the last one: the parent
    /// [asks](super::Process::close) the process to finish. If the parent is gone,
    /// the process ends immediately.
    ///
    /// Dropping the future loses no message. If two calls wait at the same time,
    /// only the later one is woken.
    pub async fn recv(&self) -> Option<String> {
        poll_fn(|context| self.inbox.borrow_mut().poll_next_unpin(context)).await
    }

    /// Sends a message to the parent without waiting.
    pub fn send(&self, message: impl Into<String>) {
        self.parent.send(ProcessEvent::Message(message.into()));
    }

    /// Reports to the parent that the process accepts work.
    pub fn ready(&self) {
        self.parent.send(ProcessEvent::Ready);
    }

    /// Crashes the process and never completes. Natively and in the tab this
    /// panics. In simulated time it ends only this process, whereas a real panic
    /// would end the run.
    pub async fn crash(&self, message: impl Into<String>) -> Infallible {
        self.parent.crash(message.into());
        pending().await
    }
}

impl fmt::Debug for ProcessContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProcessContext")
            .field("platform", &self.platform)
            .finish_non_exhaustive()
    }
}
