//! This machine's clock and tokio's tasks, as the ports a scenario runs
//! against.

use crate::panic_report::RunFailure;
use futures::{
    FutureExt,
    future::{BoxFuture, LocalBoxFuture},
};
use highwater::platform::{Clock, Spawn, Timer};
use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::{Notify, mpsc};

/// The operating system's monotonic clock, from the start of the run.
#[derive(Debug)]
pub(crate) struct NativeTimer {
    started: Instant,
    stop: Arc<Stop>,
}

impl NativeTimer {
    /// A clock that starts now. `stop` cuts short whatever blocks.
    pub(crate) fn start(stop: Arc<Stop>) -> Self {
        NativeTimer {
            started: Instant::now(),
            stop,
        }
    }
}

impl Clock for NativeTimer {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }
}

impl Timer for NativeTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        if duration.is_zero() {
            // A sleep of tokio's that is due already does not wait at all.
            // Here it is the other tasks' turn, as in the other worlds.
            return tokio::task::yield_now().boxed();
        }
        tokio::time::sleep(duration).boxed()
    }

    fn block(&self, duration: Duration) {
        self.stop.hold(duration);
    }
}

/// Asks a run to end, from any thread.
///
/// A task can only be dropped where it waits, and one that blocks the loop
/// does not wait. So the blocking itself ends when a stop is requested.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    requested: Mutex<bool>,
    blocked: Condvar,
    waiting: Notify,
}

impl Stop {
    /// Asks for the end.
    pub(crate) fn request(&self) {
        *self
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.blocked.notify_all();
        self.waiting.notify_one();
    }

    /// Whether the end has been asked for.
    pub(crate) fn is_requested(&self) -> bool {
        *self
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Completes when the end has been asked for. One task may wait for it.
    pub(crate) async fn requested(&self) {
        self.waiting.notified().await;
    }

    /// Holds the thread for `duration`, or until the end is asked for.
    fn hold(&self, duration: Duration) {
        let requested = self
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let _held = self
            .blocked
            .wait_timeout_while(requested, duration, |requested| !*requested);
    }
}

/// Starts tasks on the `LocalSet` that runs the scenario.
#[derive(Debug)]
pub(crate) struct NativeSpawn {
    bugs: mpsc::UnboundedSender<RunFailure>,
}

impl NativeSpawn {
    /// Tells of every task that panicked: tokio would keep that to the task's
    /// handle, and the run would go on without the task.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<RunFailure>) {
        let (bugs, receiver) = mpsc::unbounded_channel();
        (NativeSpawn { bugs }, receiver)
    }
}

impl Spawn for NativeSpawn {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        let bugs = self.bugs.clone();
        tokio::task::spawn_local(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                // Nobody listens only when the run has ended already.
                let _ = bugs.send(RunFailure::of(&*panic));
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::thread;

    #[test]
    fn blocking_work_ends_when_the_end_is_asked_for() {
        let stop = Arc::new(Stop::default());
        let timer = NativeTimer::start(Arc::clone(&stop));
        // Were it not freed, this test would take the hour.
        let blocked = thread::spawn(move || timer.block(Duration::from_hours(1)));
        // Most likely it blocks by then; if not, it must not begin to.
        thread::sleep(Duration::from_millis(50));
        stop.request();
        blocked.join().unwrap();
    }

    #[tokio::test]
    async fn a_sleep_of_nothing_lets_others_run() {
        let timer = NativeTimer::start(Arc::default());
        let mut sleep = timer.sleep(Duration::ZERO);
        assert!((&mut sleep).now_or_never().is_none(), "it waits once");
        sleep.await;
    }
}
