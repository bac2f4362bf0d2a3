//! Platform ports for native runs: the system clock and tokio tasks.

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

/// A timer on the system's monotonic clock. Time zero is the start of the run.
#[derive(Debug)]
pub(crate) struct NativeTimer {
    started: Instant,
    stop: Arc<Stop>,
}

impl NativeTimer {
    /// Creates a timer that starts now. `stop` interrupts blocking work.
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
            // A tokio sleep that is already due completes without yielding. A zero sleep
            // must let other tasks run, as in the other worlds.
            return tokio::task::yield_now().boxed();
        }
        tokio::time::sleep(duration).boxed()
    }

    fn block(&self, duration: Duration) {
        self.stop.block(duration);
    }
}

/// A stop signal for a run, which any thread can send.
///
/// A task can only be dropped at an await point. A task that blocks the loop does not
/// reach one, so a stop also interrupts blocking work.
#[derive(Debug, Default)]
pub(crate) struct Stop {
    is_requested: Mutex<bool>,
    blocked_threads: Condvar,
    waiting_task: Notify,
}

impl Stop {
    /// Requests the stop.
    pub(crate) fn request(&self) {
        *self
            .is_requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = true;
        self.blocked_threads.notify_all();
        self.waiting_task.notify_one();
    }

    /// Returns whether a stop was requested.
    pub(crate) fn is_requested(&self) -> bool {
        *self
            .is_requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a stop request. Only one task may wait.
    pub(crate) async fn wait_for_request(&self) {
        self.waiting_task.notified().await;
    }

    /// Blocks the thread for `duration`, or until a stop is requested.
    fn block(&self, duration: Duration) {
        let guard = self
            .is_requested
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let _guard = self
            .blocked_threads
            .wait_timeout_while(guard, duration, |is_requested| !*is_requested);
    }
}

/// A port that spawns tasks on the scenario's `LocalSet`.
#[derive(Debug)]
pub(crate) struct NativeSpawn {
    panics: mpsc::UnboundedSender<RunFailure>,
}

impl NativeSpawn {
    /// Creates the port and a receiver for task panics. Tokio reports a panic only to the
    /// task's join handle, so the run would continue without the task.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<RunFailure>) {
        let (panics, receiver) = mpsc::unbounded_channel();
        (NativeSpawn { panics }, receiver)
    }
}

impl Spawn for NativeSpawn {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        let panics = self.panics.clone();
        tokio::task::spawn_local(async move {
            if let Err(panic) = AssertUnwindSafe(task).catch_unwind().await {
                // The receiver is gone if the run has ended.
                let _ = panics.send(RunFailure::of(&*panic));
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
        // The thread has most likely blocked by then. If not, it must not block at all.
        thread::sleep(Duration::from_millis(50));
        stop.request();
        blocked.join().unwrap();
    }

    #[tokio::test]
    async fn zero_sleep_yields_once() {
        let timer = NativeTimer::start(Arc::default());
        let mut sleep = timer.sleep(Duration::ZERO);
        assert!(
            (&mut sleep).now_or_never().is_none(),
            "the first poll is not pending"
        );
        sleep.await;
    }
}
