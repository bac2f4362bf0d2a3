//! The clock of a simulated event loop, with its ready tasks and timers.

use crate::platform::ProcessEvent;
use std::{
    collections::VecDeque,
    hint,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    task::Waker,
    time::Duration,
};
use try_lock::{Locked, TryLock};

/// The clock, shared with timers and wakers, which must be `Send`. Times are in
/// nanoseconds.
pub(super) struct SharedClock {
    /// The time in the world at which this clock is zero.
    begins: u64,
    now: AtomicU64,
    /// The time in the world of the next step, or [`NEVER`]. Written under the lock, so
    /// that no wake-up from another thread is lost. Read without it, because every step
    /// of the world compares all loops.
    next_at: AtomicU64,
    /// The time in the world at which the loop ends, which is its last step.
    ends_at: AtomicU64,
    next_timer: AtomicU64,
    queues: TryLock<Queues>,
}

const HAS_THREADS: bool = cfg!(any(not(target_family = "wasm"), target_feature = "atomics"));

/// The time of a step that never comes.
pub(super) const NEVER: u64 = u64::MAX;

#[derive(Default)]
struct Queues {
    ready: VecDeque<TaskId>,
    /// Timers by deadline, then by the order they were set. Most are added or
    /// removed at one end. A tree would make up a sixth of this crate's part of the
    /// page download.
    timers: VecDeque<(TimerKey, TimerAction)>,
}

/// The deadline and the number of a timer.
pub(super) type TimerKey = (u64, u64);

/// The effect of a timer when it fires.
pub(super) enum TimerAction {
    Wake(Waker),
    /// A message to this process arrives, or its messages end if there is none.
    Input(Option<String>),
    /// An event of the process with this number arrives.
    Event(usize, ProcessEvent),
}

/// A step that is due.
pub(super) enum DueStep {
    Task(TaskId),
    Timer(TimerAction),
}

impl SharedClock {
    pub(super) fn new(begins: u64) -> Self {
        SharedClock {
            begins,
            now: AtomicU64::new(0),
            next_at: AtomicU64::new(NEVER),
            ends_at: AtomicU64::new(NEVER),
            next_timer: AtomicU64::new(0),
            queues: TryLock::new(Queues::default()),
        }
    }

    pub(super) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    pub(super) fn now_duration(&self) -> Duration {
        Duration::from_nanos(self.now())
    }

    /// Converts a time of this clock to the world's time.
    pub(super) fn world_time(&self, at: u64) -> u64 {
        self.begins.saturating_add(at)
    }

    /// Converts a time in the world to this clock's time.
    pub(super) fn own_time(&self, at: u64) -> u64 {
        at.saturating_sub(self.begins)
    }

    /// Moves the clock to `until`, unless it is past that already.
    pub(super) fn advance_to(&self, until: u64) {
        let queues = self.lock();
        self.now.store(self.now().max(until), Relaxed);
        self.update_next_at(&queues);
    }

    /// Returns the time in the world of the next step, or [`NEVER`].
    pub(super) fn next_at(&self) -> u64 {
        self.next_at.load(Relaxed)
    }

    /// Returns the time in the world at which the loop ends, or [`NEVER`].
    pub(super) fn ends_at(&self) -> u64 {
        self.ends_at.load(Relaxed)
    }

    /// Ends the loop at a time in the world.
    pub(super) fn end_at(&self, at: u64) {
        self.ends_at.store(at, Relaxed);
        self.update_next_at(&self.lock());
    }

    /// Marks a task as ready.
    pub(super) fn push_ready(&self, task: TaskId) {
        let mut queues = self.lock();
        queues.ready.push_back(task);
        self.update_next_at(&queues);
    }

    /// Removes a task from the ready ones.
    pub(super) fn remove_ready(&self, task: TaskId) {
        let mut queues = self.lock();
        queues.ready.retain(|ready| *ready != task);
        self.update_next_at(&queues);
    }

    /// Returns the key of a new timer that is due after `duration`.
    pub(super) fn timer_key(&self, duration: Duration) -> TimerKey {
        // `Duration::MAX` must not overflow.
        let at = self.now().saturating_add(crate::latency::nanos(duration));
        (at, self.next_timer.fetch_add(1, Relaxed))
    }

    /// Sets a new timer for the given time.
    pub(super) fn set_timer(&self, at: u64, action: TimerAction) {
        let number = self.next_timer.fetch_add(1, Relaxed);
        self.set((at, number), action);
    }

    /// Sets a timer, or replaces the action of an existing one and returns the old
    /// action.
    pub(super) fn set(&self, key: TimerKey, action: TimerAction) -> Option<TimerAction> {
        let mut queues = self.lock();
        match queues.position_of(key) {
            Ok(index) => Some(std::mem::replace(&mut queues.timers[index].1, action)),
            Err(index) => {
                queues.timers.insert(index, (key, action));
                self.update_next_at(&queues);
                None
            }
        }
    }

    /// Removes a timer if it is set and returns its action.
    pub(super) fn unset(&self, key: TimerKey) -> Option<TimerAction> {
        if self.next_at() > self.world_time(self.now().max(key.0)) {
            // The next step is later, so this timer has fired.
            return None;
        }
        let mut queues = self.lock();
        let index = queues.position_of(key).ok()?;
        let timer = queues.timers.remove(index);
        self.update_next_at(&queues);
        timer.map(|(_, action)| action)
    }

    /// Returns whether a task is ready or a deadline is at or before `until`.
    pub(super) fn is_due(&self, until: u64) -> bool {
        let queues = self.lock();
        let first = queues.timers.front();
        !queues.ready.is_empty() || first.is_some_and(|((deadline, _), _)| *deadline <= until)
    }

    /// Takes the next step. If it is a timer, the clock advances to its deadline.
    pub(super) fn take_step(&self) -> Option<DueStep> {
        let mut queues = self.lock();
        let task = queues.ready.pop_front();
        let step = if let Some(task) = task {
            DueStep::Task(task)
        } else {
            let ((deadline, _), action) = queues.timers.pop_front()?;
            // `block` may have taken the clock past the deadline already.
            self.now.store(self.now().max(deadline), Relaxed);
            DueStep::Timer(action)
        };
        self.update_next_at(&queues);
        Some(step)
    }

    /// Returns the number of ready tasks and of timers.
    pub(super) fn counts(&self) -> (usize, usize) {
        let queues = self.lock();
        (queues.ready.len(), queues.timers.len())
    }

    /// Locks the queues. Only a wake-up from another thread ever contends for them, so
    /// waiting for it is cheaper than a mutex. No code of others runs under the lock.
    fn lock(&self) -> Locked<'_, Queues> {
        loop {
            if let Some(queues) = self.queues.try_lock() {
                return queues;
            }
            if HAS_THREADS {
                hint::spin_loop();
            } else {
                // Nothing would ever unlock it.
                panic!("the clock is locked twice");
            }
        }
    }

    fn update_next_at(&self, queues: &Queues) {
        let next_at = match (queues.ready.is_empty(), queues.timers.front()) {
            (false, _) => self.world_time(self.now()),
            (true, Some(((deadline, _), _))) => self.world_time(self.now().max(*deadline)),
            (true, None) => NEVER,
        };
        self.next_at.store(next_at.min(self.ends_at()), Relaxed);
    }
}

impl Queues {
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
