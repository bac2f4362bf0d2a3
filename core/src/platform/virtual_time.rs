//! The simulated world.

mod cores;
mod event_loop;
mod queue;
pub(super) mod schedule;
mod tasks;
#[cfg(feature = "compute")]
mod threads;
mod timers;

pub use cores::{MESSAGE_DELAY, PROCESS_START};
pub use event_loop::Step;
#[cfg(feature = "compute")]
pub use threads::{HANDOFF, SIMULATED_CORES};

use super::{Platform, Timer};
use crate::latency::nanos;
use cores::Cores;
use event_loop::EventLoop;
use std::{cell::Cell, fmt, rc::Rc, sync::Arc, time::Duration};

/// A single-threaded executor with a simulated clock. The clock stands still while
/// tasks run and jumps to the next timer when no task can run.
///
/// Runs are exactly repeatable: tasks run in the order they were woken, and timers
/// fire in the order of their deadlines. Timers with the same deadline fire in the
/// order they were set.
///
/// Dropping it drops the unfinished tasks. Tasks spawned on its platforms after that
/// never run.
///
/// Each process is a simulated core with its own tasks and clock, so a blocked process
/// delays no other. The next step belongs to the core that is due first; on a tie the
/// loop goes first. A process begins [`PROCESS_START`] after the call that starts it,
/// and a message takes [`MESSAGE_DELAY`].
#[cfg_attr(
    feature = "compute",
    doc = "
Its threads share [`SIMULATED_CORES`] cores. A job takes its
[cost](super::Job::cost), plus [`HANDOFF`] on a thread. If there are more busy
threads than cores they take turns, with a small overhead. The loop has its own core.
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
/// // An hour passes at once.
/// assert_eq!(world.run_to_end(task), Some(Duration::from_secs(3600)));
/// ```
pub struct VirtualTime {
    // Dropped first: its tasks hold the processes.
    main: EventLoop,
    cores: Rc<Cores>,
}

impl VirtualTime {
    /// Creates a world at time zero without tasks.
    #[must_use]
    pub fn new() -> Self {
        let cores = Cores::new();
        VirtualTime {
            main: EventLoop::new(cores.agenda().add_main()),
            cores,
        }
    }

    /// Returns the ports of this world.
    #[must_use]
    pub fn platform(&self) -> Platform {
        let processes = cores::processes(&self.cores, &self.main);
        self.main.platform().with_processes(processes)
    }

    /// Returns the clock and timer of this world.
    #[must_use]
    pub fn timer(&self) -> Arc<dyn Timer> {
        self.main.timer()
    }

    /// Returns the simulated time of the loop.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.main.clock().now_duration()
    }

    /// Performs the next step.
    ///
    /// # Panics
    ///
    /// If a task panics: the panic passes through.
    pub fn step(&self) -> Step {
        let agenda = self.cores.agenda();
        agenda.perform_requests();
        let (place, at) = agenda.first();
        match place.checked_sub(1) {
            None => self.main.step(),
            Some(process) => {
                self.cores.step(process, at, true);
                Step::Ran
            }
        }
    }

    /// Performs the next step, and if it wakes a task, the step of the task as well,
    /// which comes next. Returns `false` if there is none.
    fn advance(&self) -> bool {
        let agenda = self.cores.agenda();
        agenda.perform_requests();
        let (place, at) = agenda.first();
        match place.checked_sub(1) {
            None => self.main.advance(),
            Some(process) => {
                self.cores.step(process, at, false);
                true
            }
        }
    }

    /// Runs everything due up to and including `until` and leaves the clock there,
    /// or later if a task blocked past it.
    pub fn run_until(&self, until: Duration) {
        let end = nanos(until);
        let agenda = self.cores.agenda();
        let is_due = || {
            agenda.perform_requests();
            self.main.schedule().is_due(end) || agenda.first().1 <= end
        };
        while is_due() {
            self.advance();
        }
        self.main.clock().advance_to(end);
    }

    /// Runs until `main` completes. Returns `None` on a deadlock, when every task
    /// waits forever. Other tasks may remain unfinished.
    pub fn run_to_end<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> Option<T> {
        self.run_to_end_with(main, || {})
    }

    /// Runs like [`run_to_end`](Self::run_to_end), and calls `after_step` after each step.
    pub fn run_to_end_with<T: 'static>(
        &self,
        main: impl Future<Output = T> + 'static,
        mut after_step: impl FnMut(),
    ) -> Option<T> {
        let result = Rc::new(Cell::new(None));
        let main_result = Rc::clone(&result);
        self.main.spawn(Box::pin(async move {
            main_result.set(Some(main.await));
        }));
        loop {
            let is_idle = !self.advance();
            after_step();
            // The task held the other one.
            if is_idle || Rc::strong_count(&result) == 1 {
                return result.take();
            }
        }
    }
}

impl Default for VirtualTime {
    fn default() -> Self {
        VirtualTime::new()
    }
}

impl fmt::Debug for VirtualTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Not in the lock while it writes, because a writer may use this world.
        let (ready, timers) = self.main.schedule().counts();
        f.debug_struct("VirtualTime")
            .field("now", &self.now())
            .field("ready", &ready)
            .field("timers", &timers)
            .field("processes", &self.main.events().count())
            .finish_non_exhaustive()
    }
}
