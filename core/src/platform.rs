//! The ports that scenarios run against, and the simulated world.
//!
//! | port | virtual | tab | native |
//! |---|---|---|---|
//! | [`Clock`], [`Timer`] | simulated, steppable | `performance.now`, `setTimeout` | the operating system's |
//! | [`Spawn`] | [`VirtualTime`] | the tab's event loop | tokio, one thread |
//! | [`Seed`] | the same draws everywhere | | |
//! | [`Processes`] | a simulated core with its own state | a Worker with its own instance | a child process |
#![cfg_attr(
    feature = "compute",
    doc = "| [`Compute`] | simulated cores, a cost model | Web Workers sharing memory, or the loop alone | rayon threads |"
)]
//!
//! In every world a scenario's tasks run on **one thread, the loop**. It stands
//! for the event loop of a Node-like server, which CPU work really blocks. Tasks
//! need not be `Send`. Timers, recorders and random generators are `Send + Sync`,
//! so listeners can hold them.

#[cfg(feature = "compute")]
mod compute;
#[cfg(feature = "compute")]
mod job;
mod processes;
mod random;
mod virtual_time;

pub use crate::Clock;
#[cfg(feature = "compute")]
pub use compute::{Compute, Executor, QueuedJob, Threads};
#[cfg(feature = "compute")]
pub use job::{InvalidJob, Job};
pub use processes::{
    Exit, ParentLink, Process, ProcessContext, ProcessEvent, ProcessInput, ProcessLink, Processes,
    Program,
};
pub use random::{Random, Seed};
#[cfg(feature = "compute")]
pub use virtual_time::{HANDOFF, SIMULATED_CORES};
pub use virtual_time::{MESSAGE_DELAY, PROCESS_START, Step, VirtualTime};

#[cfg(feature = "compute")]
use crate::trace::Recorder;

use futures_channel::oneshot;
use futures_util::future::{BoxFuture, LocalBoxFuture};
use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// A clock with timers.
pub trait Timer: Clock {
    /// Completes when `duration` has passed since this call, no matter when the
    /// future is first polled. It always yields once, so other tasks run even if
    /// `duration` is zero. Dropping the future cancels the timer.
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()>;

    /// Blocks the loop for `duration`, like CPU work or a synchronous call. No
    /// other task on the loop runs during that time.
    fn block(&self, duration: Duration);
}

/// Starts tasks on the loop.
pub trait Spawn {
    /// Starts a task. It first runs after this call returns, when the current task
    /// yields.
    ///
    /// A panic in a task is a bug and ends the run.
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>);
}

/// The ports of one world, as passed to a scenario.
#[derive(Clone)]
pub struct Platform {
    timer: Arc<dyn Timer>,
    spawn: Rc<dyn Spawn>,
    processes: Option<Rc<dyn Processes>>,
    #[cfg(feature = "compute")]
    compute: Option<Rc<dyn Compute>>,
}

impl Platform {
    /// Creates the ports of a world that has neither threads nor processes.
    pub fn new(timer: Arc<dyn Timer>, spawn: Rc<dyn Spawn>) -> Self {
        Platform {
            timer,
            spawn,
            processes: None,
            #[cfg(feature = "compute")]
            compute: None,
        }
    }

    /// Adds threads.
    #[cfg(feature = "compute")]
    #[must_use]
    pub fn with_compute(mut self, compute: Rc<dyn Compute>) -> Self {
        self.compute = Some(compute);
        self
    }

    /// Adds processes.
    #[must_use]
    pub fn with_processes(mut self, processes: Rc<dyn Processes>) -> Self {
        self.processes = Some(processes);
        self
    }

    /// Returns the clock and timer.
    #[must_use]
    pub fn timer(&self) -> Arc<dyn Timer> {
        Arc::clone(&self.timer)
    }

    /// Returns the time since the start of the run.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.timer.now()
    }

    /// Completes when `duration` has passed.
    pub fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        self.timer.sleep(duration)
    }

    /// Starts a task on the loop. It runs to completion even if the handle is
    /// dropped.
    pub fn spawn<T: 'static>(&self, task: impl Future<Output = T> + 'static) -> Task<T> {
        let (sender, receiver) = oneshot::channel();
        self.spawn.spawn_local(Box::pin(async move {
            // Fails if the handle was dropped.
            let _ = sender.send(task.await);
        }));
        Task { receiver }
    }

    /// Starts a program in a new process. This call never fails: a process that
    /// could not be started reports [`Exit::Lost`].
    ///
    /// # Panics
    ///
    /// If this world has no processes. The platform of a process has none, so a
    /// process cannot start others.
    #[must_use = "dropping a process kills it"]
    pub fn start(&self, program: &'static Program) -> Process {
        let processes = self.processes.as_ref();
        processes.expect("this world has processes").start(program)
    }

    /// Starts up to `threads` threads with a queue for `queue_capacity` jobs in
    /// front of them. The world may have fewer threads.
    ///
    /// # Panics
    ///
    /// If this world has no [`Compute`] port.
    #[cfg(feature = "compute")]
    #[must_use]
    pub fn threads(&self, threads: usize, queue_capacity: usize) -> Threads {
        let clock: Arc<dyn Clock> = self.timer();
        Threads::start(self.compute(), (threads, queue_capacity), clock)
    }

    /// Runs a job on the loop, which it blocks, and returns the result. The job is
    /// recorded under the source `Loop` with the subject `number`.
    ///
    /// # Panics
    ///
    /// If this world has no [`Compute`] port.
    #[cfg(feature = "compute")]
    pub fn run_on_loop(&self, job: Job, trace: &Recorder, number: u64) -> u64 {
        compute::run_on_loop(self.compute(), job, trace, number)
    }

    /// Returns the number of cores available to threads: at least one, even if the
    /// number is unknown.
    ///
    /// # Panics
    ///
    /// If this world has no [`Compute`] port.
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

/// A handle that resolves to a task's result. Dropping it leaves the task running.
#[derive(Debug)]
pub struct Task<T> {
    receiver: oneshot::Receiver<T>,
}

impl<T> Future for Task<T> {
    type Output = T;

    /// # Panics
    ///
    /// If the task has no result because it panicked or its world was dropped.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        Pin::new(&mut self.receiver)
            .poll(context)
            .map(|result| result.expect("the task panicked or its world was dropped"))
    }
}
