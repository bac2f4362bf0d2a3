//! Simulated processes. Each is a core with its own tasks and clock.
//!
//! Every step belongs to the core that is due first, and a core gets ahead of the
//! others only by blocking within one step. A message from another core is therefore
//! never dated before the receiver's own past, unless the receiver blocked. In that
//! case it handles the message late, as a real process would.

mod mailbox;

pub use mailbox::{MESSAGE_DELAY, PROCESS_START};

use super::{
    event_loop::{EventLoop, ProcessEvents},
    queue::Queue,
    shared_clock::{NEVER, SharedClock},
};
use crate::{
    latency::nanos,
    platform::{
        Exit, ParentLink, Process, ProcessContext, ProcessEvent, ProcessLink, Processes, Program,
    },
};
use mailbox::Mailbox;
use std::{
    cell::RefCell,
    rc::{Rc, Weak},
    sync::Arc,
};

/// The running processes in the order they were started.
#[derive(Default)]
pub(super) struct Cores {
    running: RefCell<Vec<Rc<Core>>>,
}

impl Cores {
    /// Returns the time of the next step of any process, or [`NEVER`].
    pub(super) fn next_at(&self) -> u64 {
        let running = self.running.borrow();
        let times = running.iter().map(|core| core.event_loop.clock().next_at());
        times.min().unwrap_or(NEVER)
    }

    /// Performs the next step of a process if it is due before the loop. Returns
    /// whether it did.
    pub(super) fn step_before(&self, loop_at: u64) -> bool {
        let running = self.running.borrow();
        let (mut at, mut due) = (loop_at, None);
        for core in running.iter() {
            let next_at = core.event_loop.clock().next_at();
            // On a tie, the process started first keeps its turn.
            if next_at < at {
                (at, due) = (next_at, Some(core));
            }
        }
        let Some(core) = due.map(Rc::clone) else {
            return false;
        };
        drop(running);
        if core.event_loop.clock().ends_at() <= at {
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

/// Creates the port for processes that the loop `main` starts.
pub(super) fn processes(cores: &Rc<Cores>, main: &EventLoop) -> Rc<dyn Processes> {
    Rc::new(SimulatedProcesses {
        cores: Rc::downgrade(cores),
        clock: Arc::clone(main.clock()),
        events: Rc::clone(main.events()),
    })
}

/// The port for processes. It holds the cores weakly because tasks hold it.
struct SimulatedProcesses {
    cores: Weak<Cores>,
    clock: Arc<SharedClock>,
    events: Rc<ProcessEvents>,
}

impl Processes for SimulatedProcesses {
    fn start(&self, program: &'static Program) -> Process {
        let events = Queue::new();
        let number = self.events.add(events.clone());
        let begins = self.clock.now().saturating_add(nanos(PROCESS_START));
        let event_loop = EventLoop::new(begins);
        let mailbox = Rc::new(Mailbox::new(number, &self.clock, event_loop.clock()));
        let mut id = 0;
        if let Some(cores) = self.cores.upgrade() {
            id = u32::try_from(number).unwrap_or(u32::MAX);
            let parent = Rc::new(Parent(Rc::clone(&mailbox)));
            let inbox = event_loop.inbox().clone();
            let context = ProcessContext::new(event_loop.platform(), inbox, parent);
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
        Process::new(id, events, Rc::new(Child(mailbox)))
    }
}

/// The link from the parent to a process.
struct Child(Rc<Mailbox>);

impl ProcessLink for Child {
    fn send(&self, message: String) {
        self.0.to_process(Some(message));
    }

    fn close(&self) {
        self.0.to_process(None);
    }

    fn kill(&self) {
        self.0.kill();
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
