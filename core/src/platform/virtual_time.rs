//! The world that is only simulated.

#[cfg(feature = "processes")]
mod cores;
mod tasks;
#[cfg(feature = "compute")]
mod threads;
mod timers;

#[cfg(feature = "processes")]
pub use cores::{MESSAGE_DELAY, PROCESS_START};
#[cfg(feature = "compute")]
pub use threads::{HANDOFF, SIMULATED_CORES};

use super::{Clock, Platform, Spawn, Timer};
#[cfg(feature = "processes")]
use cores::Cores;
use std::{cell::RefCell, fmt, rc::Rc, sync::Arc, time::Duration};
use tasks::{Spawner, Tasks};
use timers::{Shared, VirtualTimer};

/// A single-threaded executor whose clock stands still while tasks run and
/// jumps to the next timer when none can.
///
/// Exactly repeatable: tasks run in the order they were woken, timers fire in
/// the order of their deadlines, and of those with the same deadline the one
/// set first fires first.
///
/// Dropping it drops the tasks it has not finished; what is spawned on one of
/// its platforms after that never runs.
///
#[cfg_attr(
    feature = "processes",
    doc = "Its processes are simulated cores, each with tasks and a clock of its own: one that
blocks holds up nobody else. The next step is that of the core whose turn comes
first, the loop's if others come at the same time. A process begins
[`PROCESS_START`] after it was asked for, and a message takes [`MESSAGE_DELAY`].
"
)]
#[cfg_attr(
    feature = "compute",
    doc = "
Its threads share [`SIMULATED_CORES`], and a job takes what it
[costs](crate::scale::Job::cost), on a thread [`HANDOFF`] longer. More threads than
cores take turns, and lose a little by that. The loop has a core of its own.
"
)]
///
/// ```
/// use highwater::platform::VirtualTime;
/// use std::time::Duration;
///
/// let world = VirtualTime::new();
/// let platform = world.platform();
/// let task = platform.spawn({
///     let platform = platform.clone();
///     async move {
///         platform.sleep(Duration::from_secs(3600)).await;
///         platform.now()
///     }
/// });
/// // An hour, in no time.
/// assert_eq!(world.run_to_end(task), Some(Duration::from_secs(3600)));
/// ```
pub struct VirtualTime {
    tasks: Rc<Tasks>,
    shared: Arc<Shared>,
    #[cfg(feature = "processes")]
    cores: Rc<Cores>,
}

/// What [`VirtualTime::step`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It ran one task up to its next wait, or a process took its turn.
    Ran,
    /// No task could run: the clock went to the next timer, and that fired.
    Advanced(Duration),
    /// No task can run and no timer is set: nothing will ever happen again.
    Idle,
}

impl VirtualTime {
    /// A world at time zero, without tasks.
    #[must_use]
    pub fn new() -> Self {
        VirtualTime {
            tasks: Rc::default(),
            shared: Arc::default(),
            #[cfg(feature = "processes")]
            cores: Rc::default(),
        }
    }

    /// The ports of this world.
    #[must_use]
    pub fn platform(&self) -> Platform {
        let platform = self.core();
        #[cfg(feature = "processes")]
        let platform = platform.with_processes(cores::processes(&self.cores, &self.shared));
        platform
    }

    /// The ports of one core.
    fn core(&self) -> Platform {
        let spawner = Spawner {
            tasks: Rc::downgrade(&self.tasks),
            shared: Arc::clone(&self.shared),
        };
        let platform = Platform::new(self.timer(), Rc::new(spawner));
        #[cfg(feature = "compute")]
        let platform =
            platform.with_compute(Rc::new(threads::SimulatedCompute(Arc::clone(&self.shared))));
        platform
    }

    /// The clock and timer of this world.
    #[must_use]
    pub fn timer(&self) -> Arc<dyn Timer> {
        Arc::new(VirtualTimer(Arc::clone(&self.shared)))
    }

    /// The simulated time, on the loop.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.state().now
    }

    /// Does the next thing there is to do.
    ///
    /// # Panics
    ///
    /// If the task it runs panics: the panic passes through.
    pub fn step(&self) -> Step {
        #[cfg(feature = "processes")]
        if self.cores.step_before(self.next_at()) {
            return Step::Ran;
        }
        let ready = self.shared.state().ready.pop_front();
        if let Some(task) = ready {
            self.tasks.run(task);
            return Step::Ran;
        }
        let mut state = self.shared.state();
        let Some(((deadline, _), waker)) = state.timers.pop_front() else {
            return Step::Idle;
        };
        // `block` may have taken the clock past the deadline already.
        state.now = state.now.max(deadline);
        let now = state.now;
        drop(state);
        waker.wake();
        Step::Advanced(now)
    }

    /// Runs all that is due up to and including `until`, and leaves the clock
    /// there (or later, if a task blocked beyond it).
    pub fn run_until(&self, until: Duration) {
        loop {
            let mut state = self.shared.state();
            let due = !state.ready.is_empty()
                || state
                    .timers
                    .front()
                    .is_some_and(|((deadline, _), _)| *deadline <= until);
            #[cfg(feature = "processes")]
            let due = due || self.cores.next_at().is_some_and(|at| at <= until);
            if !due {
                state.now = state.now.max(until);
                return;
            }
            drop(state);
            self.step();
        }
    }

    /// Runs until `main` completes; `None` if everything waits for ever first
    /// (a deadlock). Other tasks may be left over.
    pub fn run_to_end<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> Option<T> {
        let result = Rc::new(RefCell::new(None));
        let main_result = Rc::clone(&result);
        self.tasks.spawn(
            &self.shared,
            Box::pin(async move {
                let value = main.await;
                *main_result.borrow_mut() = Some(value);
            }),
        );
        loop {
            let idle = self.step() == Step::Idle;
            let done = result.borrow_mut().take();
            if done.is_some() || idle {
                return done;
            }
        }
    }
}

#[cfg(feature = "processes")]
impl VirtualTime {
    fn next_at(&self) -> Option<Duration> {
        self.shared.state().next_at()
    }
}

impl Drop for VirtualTime {
    /// Cancels every task. Tasks hold ports of this world and so hold each
    /// other: left alone they would outlive it, and so would their spans.
    fn drop(&mut self) {
        // Taken out first: what a task does when dropped may use the ports.
        let unfinished = self.tasks.unfinished.take();
        drop(unfinished);
        #[cfg(feature = "compute")]
        self.shared.threads.end();
        #[cfg(feature = "processes")]
        self.cores.end();
    }
}

impl Default for VirtualTime {
    fn default() -> Self {
        VirtualTime::new()
    }
}

impl fmt::Debug for VirtualTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        f.debug_struct("VirtualTime")
            .field("now", &state.now)
            .field("ready", &state.ready.len())
            .field("timers", &state.timers.len())
            .finish_non_exhaustive()
    }
}
