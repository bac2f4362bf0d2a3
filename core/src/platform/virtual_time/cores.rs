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
    schedule::{Agenda, Schedule},
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
};

/// The running processes in the order they were started.
pub(super) struct Cores {
    running: RefCell<Vec<Rc<Core>>>,
    agenda: Rc<Agenda>,
}

impl Cores {
    pub(super) fn new() -> Rc<Self> {
        Rc::new(Cores {
            running: RefCell::default(),
            agenda: Agenda::new(),
        })
    }

    /// Returns the steps of the world.
    pub(super) fn agenda(&self) -> &Rc<Agenda> {
        &self.agenda
    }

    /// Performs the step at the time `at` of the process in this place, and unless it
    /// is a single step, the step of the task that it wakes.
    pub(super) fn step(&self, place: usize, at: u64, is_single: bool) {
        let core = Rc::clone(&self.running.borrow()[place]);
        if core.event_loop.schedule().ends_at() <= at {
            core.mailbox.end();
        } else if is_single {
            core.event_loop.step();
        } else {
            core.event_loop.advance();
        }
        if core.mailbox.has_ended() {
            self.running.borrow_mut().remove(place);
            // The first place on the agenda is the main loop's.
            self.agenda.remove(place + 1);
        }
    }
}

impl Drop for Cores {
    /// Ends all processes without reporting an exit.
    fn drop(&mut self) {
        for core in self.running.take() {
            core.mailbox.end();
        }
        self.agenda.clear();
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
        schedule: Rc::clone(main.schedule()),
        events: Rc::clone(main.events()),
    })
}

/// The port for processes. It holds the cores weakly because tasks hold it.
struct SimulatedProcesses {
    cores: Weak<Cores>,
    schedule: Rc<Schedule>,
    events: Rc<ProcessEvents>,
}

impl Processes for SimulatedProcesses {
    fn start(&self, program: &'static Program) -> Process {
        let events = Queue::new();
        let number = self.events.add(events.clone());
        let begins = self.schedule.now().saturating_add(nanos(PROCESS_START));
        let schedule = self.schedule.other(begins);
        let event_loop = EventLoop::new(Rc::clone(&schedule));
        let queues = (event_loop.inbox().clone(), events.clone());
        let mailbox = Rc::new(Mailbox::new(number, &self.schedule, &schedule, queues));
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
            cores.agenda.add(&schedule);
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
