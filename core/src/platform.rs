//! The ports a scenario runs against, and the world that is only simulated.
//!
//! | port | virtual | tab | native |
//! |---|---|---|---|
//! | [`Clock`], [`Timer`] | simulated, steppable | `performance.now`, `setTimeout` | the operating system's |
//! | [`Spawn`] | [`VirtualTime`] | the tab's event loop | tokio, one thread |
//! | [`Seed`] | the same draws everywhere | | |
#![cfg_attr(
    feature = "processes",
    doc = "| [`Processes`] | a simulated core with its own state | a Worker with its own instance | a child process |"
)]
#![cfg_attr(
    feature = "compute",
    doc = "| [`Compute`] | simulated cores, a cost model | Web Workers sharing memory, or the loop alone | rayon threads |"
)]
//!
//! A scenario's tasks run on **one thread, the loop, in every world**: that is
//! the subject, a Node-like server's loop that CPU work really blocks. Tasks
//! need not be `Send`; timers, recorders and random draws are `Send + Sync`,
//! so that listeners may hold them.

#[cfg(feature = "compute")]
mod compute;
#[cfg(feature = "processes")]
mod processes;
mod random;
mod virtual_time;

pub use crate::Clock;
#[cfg(feature = "compute")]
pub use compute::{Compute, Executor, QueuedJob, Threads};
#[cfg(feature = "processes")]
pub use processes::{
    Exit, ParentLink, Process, ProcessContext, ProcessEvent, ProcessInput, ProcessLink, Processes,
    Program,
};
pub use random::{Random, Seed};
#[cfg(feature = "compute")]
pub use virtual_time::{HANDOFF, SIMULATED_CORES};
#[cfg(feature = "processes")]
pub use virtual_time::{MESSAGE_DELAY, PROCESS_START};
pub use virtual_time::{Step, VirtualTime};

#[cfg(feature = "compute")]
use crate::{scale::Job, trace::Recorder};

use futures::{
    channel::oneshot,
    future::{BoxFuture, LocalBoxFuture},
};
use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// A clock that can also wait.
pub trait Timer: Clock {
    /// Completes when `duration` has passed since this call, whenever the future
    /// is first polled; never at once, so that others get a turn even if
    /// `duration` is zero. Dropping the future forgets it.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Holds the loop for `duration`, as CPU work or a synchronous call does:
    /// nothing else on it runs meanwhile.
    fn block(&self, duration: Duration);
}

/// Starts tasks on the loop.
pub trait Spawn {
    /// Starts a task. It runs when the current one next waits, never before
    /// this returns.
    ///
    /// A panic in a task is a bug and ends the run.
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>);
}

/// One world's ports, handed to a scenario.
#[derive(Clone)]
pub struct Platform {
    timer: Arc<dyn Timer>,
    spawn: Rc<dyn Spawn>,
    #[cfg(feature = "processes")]
    processes: Option<Rc<dyn Processes>>,
    #[cfg(feature = "compute")]
    compute: Option<Rc<dyn Compute>>,
}

impl Platform {
    /// The ports of one world.
    pub fn new(timer: Arc<dyn Timer>, spawn: Rc<dyn Spawn>) -> Self {
        Platform {
            timer,
            spawn,
            #[cfg(feature = "processes")]
            processes: None,
            #[cfg(feature = "compute")]
            compute: None,
        }
    }

    /// The same with threads.
    #[cfg(feature = "compute")]
    #[must_use]
    pub fn with_compute(mut self, compute: Rc<dyn Compute>) -> Self {
        self.compute = Some(compute);
        self
    }

    /// The same with processes.
    #[cfg(feature = "processes")]
    #[must_use]
    pub fn with_processes(mut self, processes: Rc<dyn Processes>) -> Self {
        self.processes = Some(processes);
        self
    }

    /// The clock and timer.
    #[must_use]
    pub fn timer(&self) -> Arc<dyn Timer> {
        Arc::clone(&self.timer)
    }

    /// Time passed since the start of the run.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.timer.now()
    }

    /// Completes when `duration` has passed.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.timer.sleep(duration)
    }

    /// Starts a task on the loop. It runs to its end whether or not the handle
    /// is kept.
    pub fn spawn<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> Task<T> {
        let (sender, receiver) = oneshot::channel();
        self.spawn.spawn_local(Box::pin(async move {
            // Nobody waits for the result if the handle was dropped.
            let _ = sender.send(task.await);
        }));
        Task { receiver }
    }

    /// Starts a program in a process of its own. It does not fail: if there can
    /// be no process, that is what the process tells as its
    /// [end](Exit::Lost).
    ///
    /// # Panics
    ///
    /// If this world has no processes. Those of a process are none: it starts
    /// no others.
    #[cfg(feature = "processes")]
    #[must_use = "dropping a process kills it"]
    pub fn start(&self, program: &'static Program) -> Process {
        let processes = self.processes.as_ref();
        processes.expect("this world has processes").start(program)
    }

    /// Starts threads, that many or as many as there can be, with a queue for so
    /// many jobs in front of them.
    ///
    /// # Panics
    ///
    /// If this world has no such port.
    #[cfg(feature = "compute")]
    #[must_use]
    pub fn threads(&self, threads: usize, waiting: usize) -> Threads {
        let clock: Arc<dyn Clock> = self.timer();
        Threads::start(self.compute(), (threads, waiting), clock)
    }

    /// Does a job here and now: the loop is held, and that is on record as
    /// `Loop`'s, with `number` for its subject.
    ///
    /// # Panics
    ///
    /// If this world has no such port.
    #[cfg(feature = "compute")]
    pub fn run_on_loop(&self, job: Job, trace: &Recorder, number: u64) -> u64 {
        compute::run_on_loop(self.compute(), job, trace, number)
    }

    /// How many cores there are for threads, as far as is known: at least one.
    ///
    /// # Panics
    ///
    /// If this world has no such port.
    #[cfg(feature = "compute")]
    #[must_use]
    pub fn cores(&self) -> usize {
        self.compute().cores()
    }

    #[cfg(feature = "compute")]
    fn compute(&self) -> &Rc<dyn Compute> {
        self.compute.as_ref().expect("this world has threads")
    }
}

impl fmt::Debug for Platform {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Platform")
            .field("now", &self.now())
            .finish_non_exhaustive()
    }
}

/// A task's result, to be awaited. Dropping it leaves the task running.
#[derive(Debug)]
pub struct Task<T> {
    receiver: oneshot::Receiver<T>,
}

impl<T> Future for Task<T> {
    type Output = T;

    /// # Panics
    ///
    /// If the task ended without a result: it panicked, or its world is gone.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.receiver)
            .poll(context)
            .map(|result| result.expect("the task panicked or its world is gone"))
    }
}
