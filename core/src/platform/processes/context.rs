//! The process's own end of itself.

use super::ProcessEvent;
use crate::platform::Platform;
use futures::{StreamExt, channel::mpsc};
use std::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    future::{pending, poll_fn},
    rc::Rc,
};

/// What a [`Program`](super::Program) is given: its own loop, and its parent.
///
/// Clones are the same process's, for tasks of their own.
#[derive(Clone)]
pub struct ProcessContext {
    platform: Platform,
    inbox: Rc<RefCell<mpsc::UnboundedReceiver<String>>>,
    parent: Rc<dyn ParentLink>,
}

/// What a world carries from a process of its.
pub trait ParentLink {
    /// Carries what the process tells, in order.
    fn send(&self, event: ProcessEvent);

    /// Ends the process as a bug does: by a panic, unless a world has a way of
    /// its own. Where it comes back, nothing of the process may run any more.
    fn crash(&self, message: String) {
        panic!("{message}");
    }
}

impl ProcessContext {
    /// What a world hands to the program of a process: messages come by `inbox`,
    /// which ends when there will be none.
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

    /// The ports of this process: a clock, a timer and tasks of its own. Its time
    /// counts from when it began, not from when the run did. A task that is left
    /// over when the program ends is dropped.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// The next message, in the order they were sent. `None` when there will be
    /// none: the parent wants the process to come to its end. If the parent is
    /// gone there is nobody to tell, and the process ends where it is.
    ///
    /// Dropping the future loses nothing. Of two that wait at once only the
    /// later is woken.
    pub async fn recv(&self) -> Option<String> {
        poll_fn(|context| self.inbox.borrow_mut().poll_next_unpin(context)).await
    }

    /// Sends the parent a message, and does not wait.
    pub fn send(&self, message: impl Into<String>) {
        self.parent.send(ProcessEvent::Message(message.into()));
    }

    /// Tells the parent that the process can take work.
    pub fn ready(&self) {
        self.parent.send(ProcessEvent::Ready);
    }

    /// Ends the process as a bug would, and never completes. Natively and in the
    /// tab it is a panic; in simulated time it is the end of this process alone,
    /// where a real panic would end the run.
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
