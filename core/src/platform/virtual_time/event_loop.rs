//! A simulated event loop: tasks with a clock of their own.

#[cfg(feature = "compute")]
use super::threads::{SharedCores, SimulatedCompute};
use super::{
    shared_clock::SharedClock,
    tasks::{Spawner, Tasks},
    timers::VirtualTimer,
};
use crate::platform::{Platform, Timer};
use futures_util::future::LocalBoxFuture;
use std::{rc::Rc, sync::Arc, time::Duration};

/// The loop of a world or of a process, with its threads.
pub(super) struct EventLoop {
    tasks: Rc<Tasks>,
    clock: Arc<SharedClock>,
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
    pub(super) fn new() -> Self {
        let clock = Arc::default();
        EventLoop {
            tasks: Rc::new(Tasks::new(&clock)),
            #[cfg(feature = "compute")]
            cores: Arc::new(SharedCores::new(&clock)),
            clock,
        }
    }

    /// Returns the ports of this loop, which has no processes.
    pub(super) fn platform(&self) -> Platform {
        let spawner = Spawner(Rc::downgrade(&self.tasks));
        let platform = Platform::new(self.timer(), Rc::new(spawner));
        #[cfg(feature = "compute")]
        let platform = platform.with_compute(Rc::new(SimulatedCompute {
            cores: Arc::clone(&self.cores),
            timer: self.timer(),
        }));
        platform
    }

    pub(super) fn timer(&self) -> Arc<dyn Timer> {
        Arc::new(VirtualTimer {
            clock: Arc::clone(&self.clock),
            #[cfg(feature = "compute")]
            cores: Arc::clone(&self.cores),
        })
    }

    pub(super) fn clock(&self) -> &Arc<SharedClock> {
        &self.clock
    }

    /// Returns the time of the next step, or `None` if there is none.
    pub(super) fn next_at(&self) -> Option<Duration> {
        self.clock.state().next_at()
    }

    pub(super) fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        self.tasks.spawn(task);
    }

    /// Performs the next step.
    pub(super) fn step(&self) -> Step {
        let ready = self.clock.state().ready.pop_front();
        if let Some(task) = ready {
            self.tasks.run(task);
            return Step::Ran;
        }
        let mut state = self.clock.state();
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
