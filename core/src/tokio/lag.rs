//! A task that measures event-loop lag.

use crate::{
    scale::LagMonitor,
    sync::{Arc, Mutex, lock},
};
use ::tokio::{
    task::{AbortHandle, spawn},
    time::{Instant, sleep},
};
use std::{convert::Infallible, fmt, time::Duration};

/// A task that measures the event-loop lag of the current runtime until the value is
/// dropped.
///
/// On a multi-threaded runtime, the lag is how late the runtime polls one task that is
/// due. Tokio's timer has a resolution of 1 ms, so an idle loop has a lag of up to
/// 1 ms.
///
/// ```
/// use highwater::tokio::LagTask;
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let lag = LagTask::spawn(Duration::from_millis(1));
/// tokio::time::sleep(Duration::from_millis(5)).await;
/// std::thread::sleep(Duration::from_millis(50)); // blocks the loop
/// tokio::time::sleep(Duration::from_millis(5)).await;
/// assert!(lag.snapshot().max() > Duration::from_millis(20));
/// # }
/// ```
#[must_use = "dropping it ends the task"]
pub struct LagTask {
    monitor: Arc<Mutex<LagMonitor>>,
    task: AbortHandle,
}

impl LagTask {
    /// Spawns the task, with a beat every `interval`. An interval of zero counts as one
    /// nanosecond. 20 ms costs no measurable time.
    ///
    /// ```
    /// use highwater::tokio::LagTask;
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let lag = LagTask::spawn(Duration::from_millis(20));
    /// tokio::time::sleep(Duration::from_millis(990)).await;
    /// assert_eq!(lag.snapshot().beats(), 49);
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If it is called outside a tokio runtime, or its runtime has no timer.
    pub fn spawn(interval: Duration) -> Self {
        let monitor = Arc::new(Mutex::new(LagMonitor::new(interval, Duration::ZERO)));
        let shared = Arc::clone(&monitor);
        let task = spawn(monitor_lag(interval, move |lag| {
            let mut monitor = lock(&shared);
            let due = monitor.next_due();
            monitor.beat(due + lag);
        }));
        LagTask {
            monitor,
            task: task.abort_handle(),
        }
    }

    /// Returns the measurements since the start.
    ///
    /// ```
    /// use highwater::tokio::LagTask;
    /// use std::time::Duration;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let lag = LagTask::spawn(Duration::from_millis(20));
    /// assert_eq!(lag.snapshot().p99(), Duration::ZERO, "no beat yet");
    /// # }
    /// ```
    pub fn snapshot(&self) -> LagMonitor {
        lock(&self.monitor).clone()
    }
}

impl Drop for LagTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for LagTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LagTask")
            .field("monitor", &self.snapshot())
            .finish_non_exhaustive()
    }
}

/// Calls `on_beat` with the lag of each beat, one beat every `interval`. Never
/// completes.
///
/// For programs with their own histogram; [`LagTask`] keeps the measurements. A late
/// beat is reported once, also if it is several intervals late. An interval of zero
/// counts as one nanosecond.
///
/// ```
/// use highwater::{LatencyHistogram, tokio::monitor_lag};
/// use std::time::Duration;
/// use tokio::time::timeout;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let mut lags = LatencyHistogram::new();
/// let monitor = monitor_lag(Duration::from_millis(20), |lag| lags.record(lag));
/// let ended = timeout(Duration::from_millis(990), monitor).await;
/// assert!(ended.is_err(), "it never completes");
/// assert_eq!(lags.count(), 49);
/// # }
/// ```
///
/// # Panics
///
/// The future panics if it is polled outside a tokio runtime with a timer.
pub async fn monitor_lag(interval: Duration, mut on_beat: impl FnMut(Duration)) -> Infallible {
    let start = Instant::now();
    let mut monitor = LagMonitor::new(interval, Duration::ZERO);
    loop {
        sleep(monitor.next_due().saturating_sub(start.elapsed())).await;
        on_beat(monitor.beat(start.elapsed()));
    }
}
