//! Simulated processes. Each is a core with its own tasks and clock.
//!
//! Every step belongs to the core that is due first, and a core gets ahead of the
//! others only by blocking within one step. A message from another core is therefore
//! never dated before the receiver's own past, unless the receiver blocked. In that
//! case it handles the message late, as a real process would.

mod mailbox;

pub use mailbox::{MESSAGE_DELAY, PROCESS_START};

use super::{event_loop::EventLoop, shared_clock::SharedClock};
use crate::platform::{
    Exit, ParentLink, Process, ProcessContext, ProcessEvent, ProcessLink, Processes, Program,
};
use futures_channel::mpsc::{self, UnboundedSender};
use mailbox::Mailbox;
use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

/// The running processes in the order they were started.
#[derive(Default)]
pub(super) struct Cores {
    running: RefCell<Vec<Rc<Core>>>,
    started: Cell<u32>,
}

impl Cores {
    /// Returns the time of the next step of any process, or `None` if none is due.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.next().map(|(at, _)| at)
    }

    /// Performs the next step of a process if it is due before the loop. Returns
    /// whether it did.
    pub(super) fn step_before(&self, loop_at: Option<Duration>) -> bool {
        let Some((at, core)) = self.next() else {
            return false;
        };
        if loop_at.is_some_and(|loop_at| loop_at <= at) {
            return false;
        }
        if core.mailbox.is_killed_by(at) {
            core.mailbox.end();
        } else {
            core.event_loop.step();
        }
        if core.mailbox.has_ended() {
            let is_other = |other: &Rc<Core>| !Rc::ptr_eq(other, &core);
            self.running.borrow_mut().retain(is_other);
        }
        true
    }

    fn next(&self) -> Option<(Duration, Rc<Core>)> {
        let running = self.running.borrow();
        let turns = running
            .iter()
            .filter_map(|core| Some((core.next_at()?, core)));
        // On a tie `min_by_key` picks the process started first.
        let (at, core) = turns.min_by_key(|(at, _)| *at)?;
        Some((at, Rc::clone(core)))
    }
}

impl Drop for Cores {
    /// Ends all processes without reporting an exit.
    fn drop(&mut self) {
        for core in self.running.take() {
            core.mailbox.end();
        }
    }
}

/// A simulated process.
struct Core {
    /// The tasks and the clock, which starts at zero when the process begins.
    event_loop: EventLoop,
    mailbox: Rc<Mailbox>,
}

impl Core {
    /// Returns the time of the next step: the next task or the kill, whichever comes
    /// first.
    fn next_at(&self) -> Option<Duration> {
        let next = self
            .event_loop
            .next_at()
            .map(|at| self.mailbox.to_loop_time(at));
        match (next, self.mailbox.killed_at()) {
            (Some(next), Some(killed)) => Some(next.min(killed)),
            (next, killed) => next.or(killed),
        }
    }
}

/// Creates the port of a world with these cores.
pub(super) fn processes(cores: &Rc<Cores>, parent: &Arc<SharedClock>) -> Rc<dyn Processes> {
    Rc::new(SimulatedProcesses {
        cores: Rc::downgrade(cores),
        parent: Arc::clone(parent),
    })
}

/// The port for processes. It holds the cores weakly because tasks hold it.
struct SimulatedProcesses {
    cores: Weak<Cores>,
    parent: Arc<SharedClock>,
}

impl Processes for SimulatedProcesses {
    fn start(&self, program: &'static Program) -> Process {
        let (events, event_receiver) = mpsc::unbounded();
        let (inbox, received) = mpsc::unbounded();
        let event_loop = EventLoop::new();
        let mailbox = Rc::new(Mailbox::new(&self.parent, event_loop.clock(), events));
        let mut id = 0;
        if let Some(cores) = self.cores.upgrade() {
            id = cores.started.get() + 1;
            cores.started.set(id);
            let parent = Rc::new(Parent(Rc::clone(&mailbox)));
            let context = ProcessContext::new(event_loop.platform(), received, parent);
            let ended = Rc::clone(&mailbox);
            let program = (program.run)(context);
            let main = async move {
                program.await;
                ended.exit(Exit::Finished);
            };
            event_loop.spawn(Box::pin(main));
            let mailbox = Rc::clone(&mailbox);
            cores.running.borrow_mut().push(Rc::new(Core {
                event_loop,
                mailbox,
            }));
        }
        Process::new(id, event_receiver, Rc::new(Child { mailbox, inbox }))
    }
}

/// The link from the parent to a process.
struct Child {
    mailbox: Rc<Mailbox>,
    inbox: UnboundedSender<String>,
}

impl ProcessLink for Child {
    fn send(&self, message: String) {
        let inbox = self.inbox.clone();
        self.mailbox.to_process(move || {
            // Fails if the process has exited.
            let _ = inbox.unbounded_send(message);
        });
    }

    fn close(&self) {
        let inbox = self.inbox.clone();
        self.mailbox.to_process(move || inbox.close_channel());
    }

    fn kill(&self) {
        self.mailbox.kill();
    }
}

/// The link from a process to its parent.
struct Parent(Rc<Mailbox>);

impl ParentLink for Parent {
    fn send(&self, event: ProcessEvent) {
        self.0.to_parent(event);
    }

    fn crash(&self, message: String) {
        self.0.exit(Exit::Bug {
            message,
            location: None,
        });
    }
}
