//! Running processes: handles, events and links.

mod wire;

pub use wire::ProcessInput;

use futures_util::{Stream, StreamExt, stream::LocalBoxStream};
use std::{
    cell::RefCell,
    fmt,
    future::poll_fn,
    rc::Rc,
    task::{Context, Poll, ready},
};

/// An event that a process reports to its parent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// The process called [`ready`](super::ProcessContext::ready): it accepts work.
    Ready,
    /// The process sent a message.
    Message(String),
    /// The process exited. This is its last event.
    Exited(Exit),
}

/// The reason why a process exited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its program completed.
    Finished,
    /// It panicked.
    Bug {
        /// The panic message.
        message: String,
        /// The source location, if known.
        location: Option<String>,
    },
    /// It was killed, by its parent or from outside.
    Killed,
    /// It could not be started or exited in an unexpected way.
    Lost {
        /// The known details.
        reason: String,
    },
}

impl Exit {
    /// Returns whether a bug in the process ended it.
    #[must_use]
    pub fn is_bug(&self) -> bool {
        matches!(self, Exit::Bug { .. })
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (what, more) = match self {
            Exit::Finished => ("finished", None),
            Exit::Bug { message, .. } => ("a bug: ", Some(message)),
            Exit::Killed => ("killed", None),
            Exit::Lost { reason } => ("lost: ", Some(reason)),
        };
        f.write_str(what)?;
        f.write_str(more.map_or("", String::as_str))
    }
}

/// The parent's handle to a process.
///
/// All methods take `&self`, so one task can send while another reads the replies:
/// share it in an [`Rc`].
///
/// **Dropping it kills the process** without reporting an event.
#[must_use = "dropping a process kills it"]
pub struct Process {
    id: u32,
    events: RefCell<LocalBoxStream<'static, ProcessEvent>>,
    exit: RefCell<Option<Exit>>,
    link: Rc<dyn ProcessLink>,
}

/// A world's link from the parent to a process.
pub trait ProcessLink {
    /// Sends a message. Messages arrive in order and are dropped once the process
    /// has exited.
    fn send(&self, message: String);

    /// Ends the messages: after those already sent, the process receives `None`.
    fn close(&self);

    /// Kills the process, even while it is busy. Does nothing if it has exited.
    fn kill(&self);
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

impl Process {
    /// Creates the handle to a process that a world has started. `events` ends with
    /// [`Exited`](ProcessEvent::Exited); if the stream ends without that, the process
    /// counts as lost.
    pub fn new(
        id: u32,
        events: impl Stream<Item = ProcessEvent> + 'static,
        link: Rc<dyn ProcessLink>,
    ) -> Self {
        Process {
            id,
            events: RefCell::new(events.boxed_local()),
            exit: RefCell::default(),
            link,
        }
    }

    /// Returns the process id: natively the operating system's, otherwise a number
    /// counted up from 1. It is 0 if the process could not be started.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Sends a message without waiting. Messages arrive in the order they were sent.
    ///
    /// A message that the process has not received when it exits is lost without
    /// notice. After an exit, treat unanswered messages as lost.
    pub fn send(&self, message: impl Into<String>) {
        self.link.send(message.into());
    }

    /// Asks the process to finish: after the messages already sent it
    /// [receives](super::ProcessContext::recv) `None`. Later messages are dropped.
    pub fn close(&self) {
        self.link.close();
    }

    /// Kills the process, even while it is busy. [`next`](Self::next) then returns
    /// the messages it had sent, followed by the exit.
    pub fn kill(&self) {
        self.link.kill();
    }

    /// Waits for the next event. After the exit, every call returns the exit again.
    ///
    /// Dropping the future loses no event. If two calls wait at the same time, only
    /// the later one is woken.
    pub async fn next(&self) -> ProcessEvent {
        poll_fn(|context| self.poll_next(context)).await
    }

    /// Polls for the next event, as [`next`](Self::next) does, for a task that reads
    /// the events of several processes.
    pub fn poll_next(&self, context: &mut Context<'_>) -> Poll<ProcessEvent> {
        let mut exit = self.exit.borrow_mut();
        if let Some(exit) = exit.clone() {
            return Poll::Ready(ProcessEvent::Exited(exit));
        }
        let event = ready!(self.events.borrow_mut().poll_next_unpin(context));
        let event = event.unwrap_or_else(|| {
            ProcessEvent::Exited(Exit::Lost {
                reason: "its world was dropped".to_owned(),
            })
        });
        if let ProcessEvent::Exited(cause) = &event {
            *exit = Some(cause.clone());
        }
        Poll::Ready(event)
    }

    /// Waits for the exit. Other events are dropped.
    pub async fn exited(&self) -> Exit {
        loop {
            if let ProcessEvent::Exited(exit) = self.next().await {
                return exit;
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.link.kill();
    }
}

impl fmt::Debug for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Process")
            .field("id", &self.id)
            .field("exit", &self.exit)
            .finish_non_exhaustive()
    }
}
