//! A simulated event loop: tasks with a clock of their own.

#[cfg(feature = "compute")]
use super::threads::{SharedCores, SimulatedCompute};
use super::{
    queue::Queue,
    schedule::{DueStep, Schedule, SharedClock, TaskId, TimerAction},
    tasks::{Spawner, Tasks},
    timers::VirtualTimer,
};
use crate::platform::{Exit, Platform, ProcessEvent, Timer};
use futures_util::future::LocalBoxFuture;
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::Duration,
};

/// The events of the processes that the loop started. A process is removed when it
/// exits.
#[derive(Default)]
pub(super) struct ProcessEvents {
    queues: RefCell<Vec<(usize, Queue<ProcessEvent>)>>,
    started: Cell<usize>,
}

impl ProcessEvents {
    /// Adds a process and returns its number, starting with 1.
    pub(super) fn add(&self, queue: Queue<ProcessEvent>) -> usize {
        let number = self.started.get() + 1;
        self.started.set(number);
        self.queues.borrow_mut().push((number, queue));
        number
    }

    /// Returns the number of processes that have not exited.
    pub(super) fn count(&self) -> usize {
        self.queues.borrow().len()
    }

    /// Delivers the next event of a process, or the exit of one that was killed. The
    /// exit is the last event; later ones are dropped.
    fn deliver(&self, process: usize, is_exit: bool, is_killed: bool) {
        let mut queues = self.queues.borrow_mut();
        let Some(index) = queues.iter().position(|(number, _)| *number == process) else {
            return;
        };
        let queue = queues[index].1.clone();
        if is_exit {
            queues.remove(index);
        }
        drop(queues);
        if is_killed {
            queue.replace_next(ProcessEvent::Exited(Exit::Killed));
        }
        queue.arrive();
    }
}

/// The loop of a world or of a process, with its threads.
pub(super) struct EventLoop {
    tasks: Rc<Tasks>,
    schedule: Rc<Schedule>,
    /// The messages from the parent.
    inbox: Queue<String>,
    events: Rc<ProcessEvents>,
    #[cfg(feature = "compute")]
    cores: Arc<SharedCores>,
}

/// The result of [`VirtualTime::step`](super::VirtualTime::step).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// One task ran until it yielded, or a process made a step.
    Ran,
    /// No task could run. The clock advanced to the next timer, which fired.
    Advanced(Duration),
    /// No task can run and no timer is set, so no further step is possible.
    Idle,
}

impl EventLoop {
    /// Creates a loop with this schedule.
    pub(super) fn new(schedule: Rc<Schedule>) -> Self {
        EventLoop {
            tasks: Rc::new(Tasks::new(&schedule)),
            inbox: Queue::new(),
            events: Rc::default(),
            #[cfg(feature = "compute")]
            cores: Arc::new(SharedCores::new(schedule.clock())),
            schedule,
        }
    }

    /// Returns the ports of this loop, which has no processes.
    pub(super) fn platform(&self) -> Platform {
        let spawner = Spawner(Rc::downgrade(&self.tasks));
        let platform = Platform::simulated(self.timer(), Rc::new(spawner), &self.schedule);
        #[cfg(feature = "compute")]
        let platform = platform.with_compute(Rc::new(SimulatedCompute {
            cores: Arc::clone(&self.cores),
            timer: self.timer(),
        }));
        platform
    }

    pub(super) fn timer(&self) -> Arc<dyn Timer> {
        Arc::new(VirtualTimer {
            clock: Arc::clone(self.clock()),
            #[cfg(feature = "compute")]
            cores: Arc::clone(&self.cores),
        })
    }

    pub(super) fn clock(&self) -> &Arc<SharedClock> {
        self.schedule.clock()
    }

    pub(super) fn schedule(&self) -> &Rc<Schedule> {
        &self.schedule
    }

    pub(super) fn inbox(&self) -> &Queue<String> {
        &self.inbox
    }

    pub(super) fn events(&self) -> &Rc<ProcessEvents> {
        &self.events
    }

    pub(super) fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.tasks.spawn(task);
    }

    /// Performs the next step.
    pub(super) fn step(&self) -> Step {
        let _guard = self.schedule.begin_step();
        match self.schedule.take_step() {
            None => return Step::Idle,
            Some(DueStep::Task(task)) => {
                self.tasks.run(task);
                return Step::Ran;
            }
            Some(DueStep::Timer(action)) => {
                if let Some(task) = self.fire(action) {
                    self.tasks.wake(task);
                }
            }
        }
        Step::Advanced(self.clock().now_duration())
    }

    /// Performs the next step, and if it wakes a task, the step of the task as well.
    /// Returns `false` if there is none.
    pub(super) fn advance(&self) -> bool {
        let _guard = self.schedule.begin_step();
        let step = self.schedule.take_step();
        let is_step = step.is_some();
        let task = match step {
            None => None,
            Some(DueStep::Task(task)) => Some(task),
            Some(DueStep::Timer(action)) => {
                let task = self.fire(action);
                task.or_else(|| self.schedule.take_ready())
            }
        };
        if let Some(task) = task {
            self.tasks.run(task);
        }
        is_step
    }

    /// Fires a timer. Returns the task to wake if it is one of this loop.
    fn fire(&self, action: TimerAction) -> Option<TaskId> {
        match action {
            TimerAction::Run(task) => return Some(task),
            TimerAction::Wake(waker) => waker.wake(),
            TimerAction::Input => self.inbox.arrive(),
            TimerAction::Event(process) => self.events.deliver(process, false, false),
            TimerAction::Exit(process) => self.events.deliver(process, true, false),
            TimerAction::Killed(process) => self.events.deliver(process, true, true),
        }
        None
    }
}

impl Drop for EventLoop {
    /// Drops every task. Tasks hold ports of this loop and thereby each other, so
    /// they and their spans would otherwise outlive it.
    fn drop(&mut self) {
        // Taken out first, because a dropped task may use the ports.
        let unfinished = self.tasks.unfinished.take();
        drop(unfinished);
        #[cfg(feature = "compute")]
        self.cores.end();
    }
}
