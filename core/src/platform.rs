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
mod sleep;
mod virtual_time;

pub use crate::Clock;
#[cfg(feature = "compute")]
pub use compute::{Compute, Executor, QueuedJob, Threads};
#[cfg(feature = "compute")]
pub use job::{InvalidJob, Job};
pub use processes::{Exit, ParentLink, Process, ProcessEvent, ProcessInput, ProcessLink};
pub use random::{Random, Seed};
pub use sleep::Sleep;
#[cfg(feature = "compute")]
pub use virtual_time::{HANDOFF, SIMULATED_CORES};
pub use virtual_time::{MESSAGE_DELAY, PROCESS_START, Step, VirtualTime};

use virtual_time::schedule::Schedule;

#[cfg(feature = "compute")]
use crate::trace::Recorder;

use futures_channel::oneshot;
use futures_util::{
    Stream, StreamExt,
    future::{BoxFuture, LocalBoxFuture},
    stream::LocalBoxStream,
};
use std::{
    cell::RefCell,
    convert::Infallible,
    fmt,
    future::{pending, poll_fn},
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

/// The port for processes.
///
/// Scenarios use it through [`Platform::start`](Platform::start).
pub trait Processes {
    /// Starts a program. On failure the returned process has already exited with
    /// [`Exit::Lost`].
    fn start(&self, program: &'static Program) -> Process;
}

/// The code of a process: a plain function, since only messages reach a process.
/// Settings arrive as the first message.
///
/// A new process finds its program by name, so every program is listed in
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
    /// The unique name.
    pub name: &'static str,
    /// Runs the program. The process exits when the future completes.
    pub run: fn(ProcessContext) -> LocalBoxFuture<'static, ()>,
}

/// The ports of one world, as passed to a scenario.
#[derive(Clone)]
pub struct Platform {
    timer: Arc<dyn Timer>,
    /// `Some` in the simulated world, whose timers are faster on their own thread.
    schedule: Option<Rc<Schedule>>,
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
            schedule: None,
            spawn,
            processes: None,
            #[cfg(feature = "compute")]
            compute: None,
        }
    }

    /// Creates the ports of a simulated loop.
    fn simulated(timer: Arc<dyn Timer>, spawn: Rc<dyn Spawn>, schedule: &Rc<Schedule>) -> Self {
        Platform {
            schedule: Some(Rc::clone(schedule)),
            ..Platform::new(timer, spawn)
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
        match &self.schedule {
            Some(schedule) => schedule.clock().now_duration(),
            None => self.timer.now(),
        }
    }

    /// Completes when `duration` has passed, as [`Timer::sleep`] does. Dropping the
    /// future cancels the timer.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        match &self.schedule {
            Some(schedule) => Sleep::simulated(schedule, duration),
            None => Sleep::other(self.timer.sleep(duration)),
        }
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

    /// Occupies the loop with CPU work for about `work`; in simulated time, exactly.
    ///
    /// # Panics
    ///
    /// If this world has no [`Compute`] port.
    #[cfg(feature = "compute")]
    pub fn occupy_loop(&self, work: Duration) {
        self.compute().occupy_loop(work);
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

/// The context of a running [`Program`]: its own loop, and the link
/// to its parent.
///
/// Clones belong to the same process; give one to each task.
#[derive(Clone)]
pub struct ProcessContext {
    platform: Platform,
    inbox: Rc<RefCell<LocalBoxStream<'static, String>>>,
    parent: Rc<dyn ParentLink>,
}

impl ProcessContext {
    /// Creates the context of a process. Messages arrive through `inbox`, which
    /// ends after the last one.
    pub fn new(
        platform: Platform,
        inbox: impl Stream<Item = String> + 'static,
        parent: Rc<dyn ParentLink>,
    ) -> Self {
        ProcessContext {
            platform,
            inbox: Rc::new(RefCell::new(inbox.boxed_local())),
            parent,
        }
    }

    /// Returns the ports of this process: its own clock, timer and tasks. The clock
    /// starts at zero when the process begins, not when the run did. Tasks that are
    /// unfinished when the program completes are dropped.
    #[must_use]
    pub fn platform(&self) -> &Platform {
        &self.platform
    }

    /// Waits for the next message. Returns `None` after the last one: the parent
    /// [asks](Process::close) the process to finish. If the parent is gone,
    /// the process ends immediately.
    ///
    /// Dropping the future loses no message. If two calls wait at the same time,
    /// only the later one is woken.
    pub async fn recv(&self) -> Option<String> {
        poll_fn(|context| self.inbox.borrow_mut().poll_next_unpin(context)).await
    }

    /// Sends a message to the parent without waiting.
    pub fn send(&self, message: impl Into<String>) {
        self.parent.send(ProcessEvent::Message(message.into()));
    }

    /// Reports to the parent that the process accepts work.
    pub fn ready(&self) {
        self.parent.send(ProcessEvent::Ready);
    }

    /// Crashes the process and never completes. Natively and in the tab this
    /// panics. In simulated time it ends only this process, whereas a real panic
    /// would end the run.
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
