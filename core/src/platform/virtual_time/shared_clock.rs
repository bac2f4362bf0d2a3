//! The clock of a simulated event loop, with its ready tasks and timers.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
    time::Duration,
};

/// The clock, shared with timers and wakers, which must be `Send`.
#[derive(Default)]
pub(super) struct SharedClock(Mutex<ClockState>);

impl SharedClock {
    pub(super) fn state(&self) -> MutexGuard<'_, ClockState> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[derive(Default)]
pub(super) struct ClockState {
    pub(super) now: Duration,
    pub(super) ready: VecDeque<TaskId>,
    /// Timers by deadline, then by the order they were set. Most are added or
    /// removed at one end. A tree would make up a sixth of this crate's part of the
    /// page download.
    pub(super) timers: VecDeque<(TimerKey, Waker)>,
    pub(super) next_timer: u64,
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
    pub(super) fn set(&mut self, key: TimerKey, waker: Waker) -> Option<Waker> {
        match self.position_of(key) {
            Ok(index) => Some(std::mem::replace(&mut self.timers[index].1, waker)),
            Err(index) => {
                self.timers.insert(index, (key, waker));
                None
            }
        }
    }

    /// Removes a timer if it is set and returns its waker.
    pub(super) fn unset(&mut self, key: TimerKey) -> Option<Waker> {
        let index = self.position_of(key).ok()?;
        self.timers.remove(index).map(|(_, waker)| waker)
    }

    fn position_of(&self, key: TimerKey) -> Result<usize, usize> {
        self.timers.binary_search_by_key(&key, |(key, _)| *key)
    }
}

/// A task's key in the slab and its unique number. Keys are reused; the number keeps
/// a late wake-up from reaching another task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskId {
    pub(super) key: usize,
    pub(super) number: u64,
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
