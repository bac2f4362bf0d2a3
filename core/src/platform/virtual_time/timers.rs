//! The clock of a simulated world, and who waits for it.

#[cfg(feature = "compute")]
use super::threads::SharedCores;
use super::{Clock, Timer, tasks::TaskId};
use futures::future::BoxFuture;
#[cfg(any(feature = "processes", feature = "compute"))]
use std::task::Wake;
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Duration,
};

/// What timers and wakers reach: they are `Send`, as their traits ask.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    #[cfg(feature = "compute")]
    pub(super) threads: SharedCores,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) now: Duration,
    pub(super) ready: VecDeque<TaskId>,
    /// By deadline, then by the order in which they were set. Most are set for
    /// later than the others or go off next, and so are added or taken at an
    /// end; a tree would be a sixth of what the page downloads of this crate.
    pub(super) timers: VecDeque<(TimerKey, Waker)>,
    next_timer: u64,
}

pub(super) type TimerKey = (Duration, u64);

impl State {
    /// When there is something to do: `None` if never.
    #[cfg(feature = "processes")]
    pub(super) fn next_at(&self) -> Option<Duration> {
        if !self.ready.is_empty() {
            return Some(self.now);
        }
        // `block` may have taken the clock past the deadline already.
        let ((deadline, _), _) = self.timers.front()?;
        Some(self.now.max(*deadline))
    }

    /// Wakes somebody at a time, whoever waits then.
    #[cfg(any(feature = "processes", feature = "compute"))]
    pub(super) fn wake_at(&mut self, at: Duration, waker: Waker) {
        let key = (at, self.next_timer);
        self.next_timer += 1;
        self.set(key, waker);
    }

    /// Sets a timer, or another waker for one that is set: answers the old.
    fn set(&mut self, key: TimerKey, waker: Waker) -> Option<Waker> {
        match self.position_of(key) {
            Ok(place) => Some(std::mem::replace(&mut self.timers[place].1, waker)),
            Err(place) => {
                self.timers.insert(place, (key, waker));
                None
            }
        }
    }

    /// Forgets a timer, if it is set.
    fn unset(&mut self, key: TimerKey) -> Option<Waker> {
        let place = self.position_of(key).ok()?;
        self.timers.remove(place).map(|(_, waker)| waker)
    }

    fn position_of(&self, key: TimerKey) -> Result<usize, usize> {
        self.timers.binary_search_by_key(&key, |(key, _)| *key)
    }
}

impl Shared {
    /// Holds the loop, while threads go on.
    pub(super) fn block_loop(self: &Arc<Self>, duration: Duration) {
        let until = self.state().now.saturating_add(duration);
        #[cfg(feature = "compute")]
        self.threads.run_until(self, until);
        self.state().now = until;
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
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
        // "For ever" is a duration too, and must not overflow.
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

/// Waits at least once, even for a moment that has passed: others get a turn,
/// as they do in the tab and natively.
struct Sleep {
    key: TimerKey,
    waited: bool,
    shared: Arc<Shared>,
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let waited = std::mem::replace(&mut self.waited, true);
        // Wakers are cloned and dropped outside the lock: they are the
        // caller's code, which may itself use a timer.
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

/// What is to be done at a time, in the shape in which a timer keeps it.
#[cfg(any(feature = "processes", feature = "compute"))]
pub(super) fn deferred_waker(action: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(DeferredCall(Mutex::new(Some(Box::new(action))))))
}

#[cfg(any(feature = "processes", feature = "compute"))]
struct DeferredCall(Mutex<Option<Box<dyn FnOnce() + Send>>>);

#[cfg(any(feature = "processes", feature = "compute"))]
impl Wake for DeferredCall {
    fn wake(self: Arc<Self>) {
        let action = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(action) = action {
            action();
        }
    }
}
