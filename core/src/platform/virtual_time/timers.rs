//! The clock and timers of a simulated world.

#[cfg(feature = "compute")]
use super::threads::SharedCores;
use super::{Clock, Timer, tasks::TaskId};
use futures_util::future::BoxFuture;
use std::task::Wake;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// The state shared with timers and wakers, which must be `Send`.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<ClockState>,
    #[cfg(feature = "compute")]
    pub(super) threads: SharedCores,
}

#[derive(Default)]
pub(super) struct ClockState {
    pub(super) now: Duration,
    pub(super) ready: VecDeque<TaskId>,
    /// Timers by deadline, then by the order they were set. Most are added or
    /// removed at one end. A tree would make up a sixth of this crate's part of the
    /// page download.
    pub(super) timers: VecDeque<(TimerKey, Waker)>,
    next_timer: u64,
}

pub(super) type TimerKey = (Duration, u64);

impl ClockState {
    /// Returns the time of the next step, or `None` if there is none.
    pub(super) fn next_at(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        // `block` may have taken the clock past the deadline already.
        let ((deadline, _), _) = self.timers.front()?;
        Some(self.now.max(*deadline))
    }

    /// Wakes `waker` at the given time.
    pub(super) fn wake_at(&mut self, at: Duration, waker: Waker) {
        let key = (at, self.next_timer);
        self.next_timer += 1;
        self.set(key, waker);
    }

    /// Sets a timer, or replaces the waker of an existing one and returns the old
    /// waker.
    fn set(&mut self, key: TimerKey, waker: Waker) -> Option<Waker> {
        match self.position_of(key) {
            Ok(index) => Some(std::mem::replace(&mut self.timers[index].1, waker)),
            Err(index) => {
                self.timers.insert(index, (key, waker));
                None
            }
        }
    }

    /// Removes a timer if it is set and returns its waker.
    fn unset(&mut self, key: TimerKey) -> Option<Waker> {
        let index = self.position_of(key).ok()?;
        self.timers.remove(index).map(|(_, waker)| waker)
    }

    fn position_of(&self, key: TimerKey) -> Result<usize, usize> {
        self.timers.binary_search_by_key(&key, |(key, _)| *key)
    }
}

impl Shared {
    /// Blocks the loop while threads keep running.
    pub(super) fn block_loop(self: &Arc<Self>, duration: Duration) {
        let until = self.state().now.saturating_add(duration);
        #[cfg(feature = "compute")]
        self.threads.run_until(self, until);
        self.state().now = until;
    }

    pub(super) fn state(&self) -> MutexGuard<'_, ClockState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

pub(super) struct VirtualTimer(pub(super) Arc<Shared>);

impl Clock for VirtualTimer {
    fn now(&self) -> Duration {
        self.0.state().now
    }
}

impl Timer for VirtualTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let mut state = self.0.state();
        // `Duration::MAX` must not overflow.
        let key = (state.now.saturating_add(duration), state.next_timer);
        state.next_timer += 1;
        Box::pin(Sleep {
            key,
            waited: false,
            shared: Arc::clone(&self.0),
        })
    }

    fn block(&self, duration: Duration) {
        self.0.block_loop(duration);
    }
}

/// A sleep that yields at least once, even if its deadline has passed, so that other
/// tasks run as they do in the tab and natively.
struct Sleep {
    key: TimerKey,
    waited: bool,
    shared: Arc<Shared>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waited = std::mem::replace(&mut self.waited, true);
        // Wakers are cloned and dropped outside the lock, because they are the
        // caller's code and may use a timer themselves.
        let waker = context.waker().clone();
        let mut state = self.shared.state();
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
        let waker = self.shared.state().unset(self.key);
        drop(waker);
    }
}

/// Wraps a callback as a waker, so that a timer can run it.
pub(super) fn deferred_waker(action: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(DeferredCall(Mutex::new(Some(Box::new(action))))))
}

struct DeferredCall(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for DeferredCall {
    fn wake(self: Arc<Self>) {
        let action = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(action) = action {
            action();
        }
    }
}
