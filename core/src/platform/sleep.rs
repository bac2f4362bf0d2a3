//! Sleeps of all worlds.

use super::virtual_time::schedule::{Schedule, SharedClock, TimerKey};
use futures_util::future::BoxFuture;
use std::{
    fmt,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// The future returned by [`Platform::sleep`](super::Platform::sleep).
#[must_use = "futures do nothing unless awaited"]
pub struct Sleep(SleepKind);

enum SleepKind {
    Simulated(SimulatedSleep<Rc<Schedule>>),
    Other(BoxFuture<'static, ()>),
}

impl Sleep {
    /// Sleeps on the thread of a simulated world.
    pub(super) fn simulated(schedule: &Rc<Schedule>, duration: Duration) -> Self {
        let key = schedule.timer_key(duration);
        Sleep(SleepKind::Simulated(SimulatedSleep::new(
            key,
            Rc::clone(schedule),
        )))
    }

    pub(super) fn other(sleep: BoxFuture<'static, ()>) -> Self {
        Sleep(SleepKind::Other(sleep))
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            SleepKind::Simulated(sleep) => Pin::new(sleep).poll(context),
            SleepKind::Other(sleep) => sleep.as_mut().poll(context),
        }
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sleep").finish_non_exhaustive()
    }
}

/// The timers of a sleep.
pub(super) trait Timers: Unpin {
    fn now(&self) -> u64;
    /// Sets a new timer.
    fn set(&self, key: TimerKey, waker: &Waker);
    fn unset(&self, key: TimerKey);
}

impl Timers for Arc<SharedClock> {
    fn now(&self) -> u64 {
        SharedClock::now(self)
    }

    fn set(&self, key: TimerKey, waker: &Waker) {
        self.set_waker(key, waker);
    }

    fn unset(&self, key: TimerKey) {
        SharedClock::unset(self, key);
    }
}

impl Timers for Rc<Schedule> {
    fn now(&self) -> u64 {
        Schedule::now(self)
    }

    fn set(&self, key: TimerKey, waker: &Waker) {
        self.set_waker(key, waker);
    }

    fn unset(&self, key: TimerKey) {
        Schedule::unset(self, key);
    }
}

/// A sleep that yields at least once, even if its deadline has passed, so that other
/// tasks run as they do in the tab and natively.
pub(super) struct SimulatedSleep<T: Timers> {
    key: TimerKey,
    is_set: bool,
    timers: T,
}

impl<T: Timers> SimulatedSleep<T> {
    pub(super) fn new(key: TimerKey, timers: T) -> Self {
        SimulatedSleep {
            key,
            is_set: false,
            timers,
        }
    }
}

impl<T: Timers> Future for SimulatedSleep<T> {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        if self.is_set && self.timers.now() >= self.key.0 {
            return Poll::Ready(());
        }
        if self.is_set {
            // It may be polled by another task now.
            self.timers.unset(self.key);
        }
        self.is_set = true;
        self.timers.set(self.key, context.waker());
        Poll::Pending
    }
}

impl<T: Timers> Drop for SimulatedSleep<T> {
    fn drop(&mut self) {
        if self.is_set {
            self.timers.unset(self.key);
        }
    }
}
