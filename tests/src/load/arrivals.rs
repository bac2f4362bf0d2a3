//! The arrival times of an open loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

/// The longest sleep, and so the longest delay of `stop`.
const MAX_SLEEP: Duration = Duration::from_millis(20);

/// A thread that sends the due time of each request. A timer of the event loop has a
/// resolution of a millisecond, which is longer than most responses take.
pub(crate) struct Arrivals {
    pub(crate) due: Receiver<Instant>,
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Arrivals {
    pub(crate) fn start(per_second: f64) -> Self {
        let (send, due) = async_channel::unbounded();
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = {
            let is_over = Arc::clone(&is_over);
            thread::spawn(move || arrive(per_second, &send, &is_over))
        };
        Arrivals {
            due,
            is_over,
            thread,
        }
    }

    /// Stops the thread. Returns the number of requests that no client has taken.
    pub(crate) fn stop(self) -> u64 {
        self.is_over.store(true, Ordering::Relaxed);
        // A panic loses only requests that were not due yet.
        let _ = self.thread.join();
        let mut left = 0;
        while self.due.try_recv().is_ok() {
            left += 1;
        }
        left
    }
}

fn arrive(per_second: f64, send: &Sender<Instant>, is_over: &AtomicBool) {
    let start = Instant::now();
    for number in 0_u64.. {
        // Computed from the start, so that one late request does not delay the others.
        let due = start + Duration::from_secs_f64(number as f64 / per_second);
        loop {
            if is_over.load(Ordering::Relaxed) {
                return;
            }
            let left = due.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            thread::sleep(left.min(MAX_SLEEP));
        }
        if send.try_send(due).is_err() {
            return;
        }
    }
}
