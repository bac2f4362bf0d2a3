//! The timers of a simulated event loop.

use super::shared_clock::{SharedClock, TimerAction, TimerKey};
#[cfg(feature = "compute")]
use super::threads::SharedCores;
use crate::{Clock, latency::nanos, platform::Timer};
use futures_util::future::BoxFuture;
use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

/// The clock and timer of an event loop.
pub(super) struct VirtualTimer {
    pub(super) clock: Arc<SharedClock>,
    #[cfg(feature = "compute")]
    pub(super) cores: Arc<SharedCores>,
}

impl Clock for VirtualTimer {
    fn now(&self) -> Duration {
        self.clock.now_duration()
    }
}

impl Timer for VirtualTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(Sleep {
            key: self.clock.timer_key(duration),
            waited: false,
            clock: Arc::clone(&self.clock),
        })
    }

    fn block(&self, duration: Duration) {
        let until = self.clock.now().saturating_add(nanos(duration));
        // Threads keep running while the loop is blocked.
        #[cfg(feature = "compute")]
        self.cores.run_until(Duration::from_nanos(until));
        self.clock.advance_to(until);
    }
}

/// A sleep that yields at least once, even if its deadline has passed, so that other
/// tasks run as they do in the tab and natively.
struct Sleep {
    key: TimerKey,
    waited: bool,
    clock: Arc<SharedClock>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.waited && self.clock.now() >= self.key.0 {
            return Poll::Ready(());
        }
        self.waited = true;
        // Wakers are cloned and dropped outside the lock, because they are the
        // caller's code and may use a timer themselves.
        let action = TimerAction::Wake(context.waker().clone());
        drop(self.clock.set(self.key, action));
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        if self.waited {
            drop(self.clock.unset(self.key));
        }
    }
}
