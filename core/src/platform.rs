//! The ports a scenario runs against, and the world that is only simulated.
//!
//! | port | virtual | tab | native |
//! |---|---|---|---|
//! | [`Clock`], [`Timer`] | simulated, steppable | `performance.now`, `setTimeout` | the operating system's |
//! | [`Spawn`] | [`VirtualTime`] | the tab's event loop | tokio, one thread |
//! | [`Seed`] | the same draws everywhere | | |
//!
//! Two more ports complete the picture and come with the scenarios that need
//! them: *Compute* takes CPU work off the loop (a simulated core, a Web Worker
//! sharing memory, a rayon thread), *Processes* isolates it (a simulated core
//! with its own state, a Worker with its own instance, a child process).
//!
//! A scenario's tasks run on **one thread, the loop, in every world**: that is
//! the subject, a Node-like server's loop that CPU work really blocks. Tasks
//! need not be `Send`; timers, recorders and random draws are `Send + Sync`,
//! so that listeners may hold them.

mod random;
mod virtual_time;

pub use crate::Clock;
pub use random::{Random, Seed};
pub use virtual_time::{Step, VirtualTime};

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
}

impl Platform {
    /// The ports of one world.
    pub fn new(timer: Arc<dyn Timer>, spawn: Rc<dyn Spawn>) -> Self {
        Platform { timer, spawn }
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
