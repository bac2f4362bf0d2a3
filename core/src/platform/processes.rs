//! Programs that run apart from the loop, each in a process of its own.

mod context;
mod wire;

pub use context::{ParentLink, ProcessContext};
pub use wire::ProcessInput;

use futures::{StreamExt, channel::mpsc, future::LocalBoxFuture};
use std::{cell::RefCell, fmt, future::poll_fn, rc::Rc};

/// Starts processes: what a world has to offer for them.
///
/// Scenarios start them by [`Platform::start`](super::Platform::start).
pub trait Processes {
    /// Starts a program. Where that fails the process is one that has ended,
    /// [lost](Exit::Lost).
    fn start(&self, program: &'static Program) -> Process;
}

/// What a process runs: a function, since nothing can be handed to a process
/// but messages. What it is to know comes as the first of them.
///
/// Its name is how a new process finds it, so it is one of
/// [`PROGRAMS`](crate::scenario::PROGRAMS).
///
/// ```
/// use highwater::platform::{Exit, ProcessContext, ProcessEvent, Program, VirtualTime};
///
/// static SHOUT: Program = Program {
///     name: "shout",
///     run: |context| Box::pin(shout(context)),
/// };
///
/// async fn shout(context: ProcessContext) {
///     context.ready();
///     while let Some(word) = context.recv().await {
///         match word.as_str() {
///             "divide by zero" => match context.crash("cannot divide by zero").await {},
///             word => context.send(word.to_uppercase()),
///         }
///     }
/// }
///
/// let world = VirtualTime::new();
/// let platform = world.platform();
/// let events = world.run_to_end(async move {
///     let process = platform.start(&SHOUT);
///     process.send("hello");
///     process.send("divide by zero");
///     let mut events = vec![process.next().await, process.next().await];
///     events.push(ProcessEvent::Exited(process.exited().await));
///     events
/// });
/// let bug = "cannot divide by zero".to_owned();
/// assert_eq!(events.unwrap(), [
///     ProcessEvent::Ready,
///     ProcessEvent::Message("HELLO".to_owned()),
///     ProcessEvent::Exited(Exit::Bug { message: bug, location: None }),
/// ]);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Program {
    /// Its name: unlike that of any other.
    pub name: &'static str,
    /// Runs it to its end, which is the end of the process.
    pub run: fn(ProcessContext) -> LocalBoxFuture<'static, ()>,
}

/// What a process tells whoever started it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProcessEvent {
    /// It can take work: it called [`ready`](ProcessContext::ready).
    Ready,
    /// A message.
    Message(String),
    /// It has ended. The last event.
    Exited(Exit),
}

/// How a process ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Exit {
    /// Its program came to its end.
    Finished,
    /// It panicked.
    Bug {
        /// What the panic said.
        message: String,
        /// Where in the code it was, if known.
        location: Option<String>,
    },
    /// It was killed, by its parent or by somebody else.
    Killed,
    /// It could not be started, or ended in a way that it should not have.
    Lost {
        /// What is known of it.
        reason: String,
    },
}

impl Exit {
    /// Whether a bug of its own ended it.
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

/// The parent's end of a process.
///
/// All of it takes `&self`, so that one task may read what another's messages
/// are answered with: share it by an [`Rc`].
///
/// **Dropped, it kills the process.** Nothing of that is events to anybody.
#[must_use = "dropping a process kills it"]
pub struct Process {
    id: u32,
    events: RefCell<mpsc::UnboundedReceiver<ProcessEvent>>,
    exit: RefCell<Option<Exit>>,
    link: Rc<dyn ProcessLink>,
}

/// What a world carries to a process of its.
pub trait ProcessLink {
    /// Carries a message, in order; nowhere if the process has ended.
    fn send(&self, message: String);

    /// Lets the process find no messages behind those it was sent.
    fn close(&self);

    /// Ends the process by force, whatever it does; if it has ended, does
    /// nothing.
    fn kill(&self);
}

impl Process {
    /// A process that a world has started. It tells what comes by `events`, the
    /// last of which is to be an [`Exited`](ProcessEvent::Exited): where that
    /// is missing, the process counts as lost.
    pub fn new(
        id: u32,
        events: mpsc::UnboundedReceiver<ProcessEvent>,
        link: Rc<dyn ProcessLink>,
    ) -> Self {
        Process {
            id,
            events: RefCell::new(events),
            exit: RefCell::default(),
            link,
        }
    }

    /// Its number: the operating system's natively, else counted up from 1.
    /// 0 if it could not be started.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.id
    }

    /// Sends it a message, to be received in the order sent, and does not wait.
    ///
    /// If it ends before it comes to that, the message is lost, and nobody is
    /// events which: count what was not answered when it has exited.
    pub fn send(&self, message: impl Into<String>) {
        self.link.send(message.into());
    }

    /// Tells it to come to its end: behind what it was sent it
    /// [receives](ProcessContext::recv) `None`. What is sent after that is lost.
    pub fn close(&self) {
        self.link.close();
    }

    /// Ends it by force, in the midst of whatever it does. That it has exited
    /// is events by [`next`](Self::next), after what it had sent before.
    pub fn kill(&self) {
        self.link.kill();
    }

    /// What it tells next. Once it has exited, that again and again.
    ///
    /// Dropping the future loses nothing. Of two that wait at once only the
    /// later is woken.
    pub async fn next(&self) -> ProcessEvent {
        if let Some(exit) = self.exit.borrow().clone() {
            return ProcessEvent::Exited(exit);
        }
        let event = poll_fn(|context| self.events.borrow_mut().poll_next_unpin(context)).await;
        let event = event.unwrap_or_else(|| {
            ProcessEvent::Exited(Exit::Lost {
                reason: "its world is gone".to_owned(),
            })
        });
        if let ProcessEvent::Exited(exit) = &event {
            *self.exit.borrow_mut() = Some(exit.clone());
        }
        event
    }

    /// Waits until it has exited. What else it tells is dropped.
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
