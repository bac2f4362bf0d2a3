//! Simulated processes: each a core with its own tasks and its own time.
//!
//! A core runs ahead of the others only where it blocks, within one step, and
//! every step is that of the core whose turn comes first. So whatever reaches a
//! core from another is dated no earlier than what the core has done already,
//! unless it blocked meanwhile, and then it is late for it as in real life.

mod mailbox;

use super::{VirtualTime, timers::Shared};
use crate::platform::{
    Exit, ParentLink, Process, ProcessContext, ProcessEvent, ProcessLink, Processes, Program,
};
use futures::channel::mpsc::{self, UnboundedSender};
use mailbox::Mailbox;
use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    sync::Arc,
    time::Duration,
};

/// How long a simulated process takes from when it is asked for to when its
/// program begins: as a small one does natively.
pub const PROCESS_START: Duration = Duration::from_millis(2);

/// How long a message takes from a simulated process to its parent or back:
/// as one through a pipe does. As long takes the news that it has exited.
pub const MESSAGE_DELAY: Duration = Duration::from_micros(50);

/// The processes that have not ended, in the order in which they were started.
#[derive(Default)]
pub(super) struct Cores {
    running: RefCell<Vec<Rc<Core>>>,
    started: Cell<u32>,
}

impl Cores {
    /// When the first turn of a process comes; `None` if none ever does.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.next().map(|(at, _)| at)
    }

    /// Lets a process take its turn, if it comes before the loop's.
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
            core.world.step();
        }
        if core.mailbox.has_ended() {
            let is_other = |other: &Rc<Core>| !Rc::ptr_eq(other, &core);
            self.running.borrow_mut().retain(is_other);
        }
        true
    }

    /// Ends all of them, and nobody is event_receiver.
    pub(super) fn end(&self) {
        for core in self.running.take() {
            core.mailbox.end();
        }
    }

    fn next(&self) -> Option<(Duration, Rc<Core>)> {
        let running = self.running.borrow();
        let turns = running
            .iter()
            .filter_map(|core| Some((core.next_at()?, core)));
        // Of equals the first: the process started first.
        let (at, core) = turns.min_by_key(|(at, _)| *at)?;
        Some((at, Rc::clone(core)))
    }
}

/// A simulated process.
struct Core {
    /// Its tasks, and its time: from when it began.
    world: VirtualTime,
    mailbox: Rc<Mailbox>,
}

impl Core {
    /// When its turn comes. Where it is killed before, that is its turn.
    fn next_at(&self) -> Option<Duration> {
        let next = self.world.next_at().map(|at| self.mailbox.to_loop_time(at));
        match (next, self.mailbox.killed_at()) {
            (Some(next), Some(killed)) => Some(next.min(killed)),
            (next, killed) => next.or(killed),
        }
    }
}

/// The port of a world with these cores.
pub(super) fn processes(cores: &Rc<Cores>, shared: &Arc<Shared>) -> Rc<dyn Processes> {
    Rc::new(SimulatedProcesses {
        cores: Rc::downgrade(cores),
        shared: Arc::clone(shared),
    })
}

/// Weak as a spawner is: tasks hold this.
struct SimulatedProcesses {
    cores: Weak<Cores>,
    shared: Arc<Shared>,
}

impl Processes for SimulatedProcesses {
    fn start(&self, program: &'static Program) -> Process {
        let (events, event_receiver) = mpsc::unbounded();
        let (inbox, received) = mpsc::unbounded();
        let world = VirtualTime::new();
        let mailbox = Rc::new(Mailbox::new(&self.shared, &world.shared, events));
        let mut id = 0;
        if let Some(cores) = self.cores.upgrade() {
            id = cores.started.get() + 1;
            cores.started.set(id);
            let parent = Rc::new(Parent(Rc::clone(&mailbox)));
            let context = ProcessContext::new(world.core(), received, parent);
            let ended = Rc::clone(&mailbox);
            let program = (program.run)(context);
            let main = async move {
                program.await;
                ended.exit(Exit::Finished);
            };
            world.tasks.spawn(&world.shared, Box::pin(main));
            let mailbox = Rc::clone(&mailbox);
            cores
                .running
                .borrow_mut()
                .push(Rc::new(Core { world, mailbox }));
        }
        Process::new(id, event_receiver, Rc::new(Child { mailbox, inbox }))
    }
}

/// The parent's way to a process.
struct Child {
    mailbox: Rc<Mailbox>,
    inbox: UnboundedSender<String>,
}

impl ProcessLink for Child {
    fn send(&self, message: String) {
        let inbox = self.inbox.clone();
        self.mailbox.to_process(move || {
            // Nobody reads if the process has ended.
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

/// A process's way to its parent.
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
