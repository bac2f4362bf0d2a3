//! Request arrival times for an open loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use async_channel::{Receiver, Sender};

/// The longest sleep, which bounds the delay of `stop`.
const MAX_SLEEP: Duration = Duration::from_millis(20);

/// A thread that sends the due time of each request. An event loop timer would be too
/// coarse: its resolution of a millisecond exceeds most response times.
pub(crate) struct Arrivals {
    pub(crate) due: Receiver<Instant>,
    is_stopped: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

impl Arrivals {
    pub(crate) fn start(per_second: f64) -> Self {
        let (send, due) = async_channel::unbounded();
        let is_stopped = Arc::new(AtomicBool::new(false));
        let thread = {
            let is_stopped = Arc::clone(&is_stopped);
            thread::spawn(move || send_due_times(per_second, &send, &is_stopped))
        };
        Arrivals {
            due,
            is_stopped,
            thread,
        }
    }

    /// Stops the thread. Returns the number of due requests that no client has sent.
    pub(crate) fn stop(self) -> u64 {
        self.is_stopped.store(true, Ordering::Relaxed);
        // After a panic, only requests that are not due yet are missing.
        let _ = self.thread.join();
        let mut left = 0;
        while self.due.try_recv().is_ok() {
            left += 1;
        }
        left
    }
}

fn send_due_times(per_second: f64, send: &Sender<Instant>, is_stopped: &AtomicBool) {
    let start = Instant::now();
    for number in 0_u64.. {
        // Relative to the start, so that one late request does not delay the others.
        let due = start + Duration::from_secs_f64(number as f64 / per_second);
        loop {
            if is_stopped.load(Ordering::Relaxed) {
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
