//! The timers of a simulated event loop.

use super::shared_clock::{SharedClock, TimerKey};
#[cfg(feature = "compute")]
use super::threads::SharedCores;
use crate::{Clock, platform::Timer};
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
        self.clock.state().now
    }
}

impl Timer for VirtualTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.clock.state();
        // `Duration::MAX` must not overflow.
        let key = (state.now.saturating_add(duration), state.next_timer);
        state.next_timer += 1;
        Box::pin(Sleep {
            key,
            waited: false,
            clock: Arc::clone(&self.clock),
        })
    }

    fn block(&self, duration: Duration) {
        let until = self.now().saturating_add(duration);
        // Threads keep running while the loop is blocked.
        #[cfg(feature = "compute")]
        self.cores.run_until(until);
        self.clock.state().now = until;
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
        let waited = std::mem::replace(&mut self.waited, true);
        // Wakers are cloned and dropped outside the lock, because they are the
        // caller's code and may use a timer themselves.
        let waker = context.waker().clone();
        let mut state = self.clock.state();
        if waited && state.now >= self.key.0 {
            return Poll::Ready(());
        }
        let before = state.set(self.key, waker);
        drop(state);
        drop(before);
        Poll::Pending
    }
}

impl Drop for Sleep {
    fn drop(&mut self) {
        let waker = self.clock.state().unset(self.key);
        drop(waker);
    }
}
