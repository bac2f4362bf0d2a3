//! The ports of a native run: the machine's clock and tokio's tasks.

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

/// The operating system's monotonic clock, measured from the start of the run.
#[derive(Debug)]
pub(crate) struct NativeTimer {
    started: Instant,
    stop: Arc<Stop>,
}

impl NativeTimer {
    /// Creates a clock that starts now. `stop` interrupts blocking work.
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
            // A tokio sleep that is already due completes without yielding. Other tasks
            // have to run here, as in the other worlds.
            return tokio::task::yield_now().boxed();
        }
        tokio::time::sleep(duration).boxed()
    }

    fn block(&self, duration: Duration) {
        self.stop.block(duration);
    }
}

/// A request to stop a run, from any thread.
///
/// A task can only be dropped at an await point, which a task that blocks the loop does
/// not reach. So a stop also interrupts the blocking work.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    requested: Mutex<bool>,
    blocked: Condvar,
    waiting: Notify,
}

impl Stop {
    /// Requests the stop.
    pub(crate) fn request(&self) {
        *self
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.blocked.notify_all();
        self.waiting.notify_one();
    }

    /// Returns whether a stop was requested.
    pub(crate) fn is_requested(&self) -> bool {
        *self
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a stop request. Only one task may wait.
    pub(crate) async fn requested(&self) {
        self.waiting.notified().await;
    }

    /// Blocks the thread for `duration`, or until a stop is requested.
    fn block(&self, duration: Duration) {
        let requested = self
            .requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let _guard = self
            .blocked
            .wait_timeout_while(requested, duration, |requested| !*requested);
    }
}

/// Spawns tasks on the `LocalSet` of the scenario.
#[derive(Debug)]
pub(crate) struct NativeSpawn {
    bugs: mpsc::UnboundedSender<RunFailure>,
}

impl NativeSpawn {
    /// Creates the port and a receiver of the tasks' panics. Tokio reports a panic only to
    /// the task's handle, and the run would continue without the task.
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
                // The receiver is gone if the run has ended.
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
    fn stop_interrupts_blocking_work() {
        let stop = Arc::new(Stop::default());
        let timer = NativeTimer::start(Arc::clone(&stop));
        // Without the stop, this would take an hour.
        let blocked = thread::spawn(move || timer.block(Duration::from_hours(1)));
        // Most likely it blocks by now. If not, it must not start to.
        thread::sleep(Duration::from_millis(50));
        stop.request();
        blocked.join().unwrap();
    }

    #[tokio::test]
    async fn zero_sleep_yields_once() {
        let timer = NativeTimer::start(Arc::default());
        let mut sleep = timer.sleep(Duration::ZERO);
        assert!((&mut sleep).now_or_never().is_none(), "it yields once");
        sleep.await;
    }
}
