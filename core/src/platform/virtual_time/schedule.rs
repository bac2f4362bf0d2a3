//! The ready tasks and timers of simulated event loops.
//!
//! A world runs on one thread, which uses its [`Schedule`]s directly. Timers and wakers
//! must be `Send`, so they hold a [`SharedClock`]. On the thread of the world it finds
//! the schedule in a thread-local; requests of other threads wait for the next step.

use crate::latency::nanos;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    mem,
    rc::Rc,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{
            AtomicBool, AtomicU64, AtomicUsize,
            Ordering::{AcqRel, Relaxed, Release},
        },
    },
    task::{RawWakerVTable, Waker},
    time::Duration,
};

/// The time of a step that never comes.
pub(super) const NEVER: u64 = u64::MAX;

/// The number of the first timer that another thread sets. On a tie it fires last.
const FIRST_FOREIGN_TIMER: u64 = 1 << 63;

const HAS_THREADS: bool = cfg!(any(not(target_family = "wasm"), target_feature = "atomics"));

thread_local! {
    /// The worlds of this thread.
    static WORLDS: RefCell<Vec<Rc<Agenda>>> = const { RefCell::new(Vec::new()) };
}

/// The loops of a world: the main loop, then its processes in the order they were
/// started. Times are in nanoseconds.
pub(super) struct Agenda {
    loops: RefCell<Vec<Rc<Schedule>>>,
    /// Set if a loop has requests of other threads.
    has_requests: Arc<AtomicBool>,
}

/// The ready tasks and timers of a loop.
pub(crate) struct Schedule {
    clock: Arc<SharedClock>,
    queues: RefCell<Queues>,
    next_timer: Cell<u64>,
    /// Set during a step of this loop, which updates `next_at` once, at its end.
    is_stepping: Cell<bool>,
    /// The task that runs, and its waker.
    running: Cell<Option<(TaskId, WakerId)>>,
    /// The time in the world at which the loop ends, which is its last step.
    ends_at: Cell<u64>,
    /// The time in the world of the next step, or [`NEVER`]. Kept, because every step of
    /// the world compares all loops.
    next_at: Cell<u64>,
}

/// The clock of a loop, for any thread.
pub(crate) struct SharedClock {
    /// The time in the world at which this clock is zero.
    begins: u64,
    now: AtomicU64,
    /// The place of its loop on the agenda.
    index: AtomicUsize,
    next_foreign_timer: AtomicU64,
    /// The requests of other threads.
    requests: Mutex<Vec<Request>>,
    has_requests: Arc<AtomicBool>,
}

#[derive(Default)]
struct Queues {
    ready: VecDeque<TaskId>,
    /// Timers by deadline, then by the order they were set. Most are added or
    /// removed at one end. A tree would make up a sixth of this crate's part of the
    /// page download.
    timers: VecDeque<(TimerKey, TimerAction)>,
    /// One timer that is not among the others. It spares the search for a place for a
    /// task that sleeps until the next event, again and again.
    single: Option<(TimerKey, TimerAction)>,
}

/// A change of a schedule by another thread.
enum Request {
    Ready(TaskId),
    Set(TimerKey, Waker),
    Unset(TimerKey),
    /// The clock was moved.
    Advanced,
}

/// The deadline and the number of a timer.
pub(crate) type TimerKey = (u64, u64);

/// The effect of a timer when it fires.
pub(super) enum TimerAction {
    /// Wakes a task of this loop.
    Run(TaskId),
    Wake(Waker),
    /// The next message to this process arrives.
    Input,
    /// The next event of the process with this number arrives.
    Event(usize),
    /// Its exit arrives, which is its next event.
    Exit(usize),
    /// Its exit arrives after a kill, before its other events.
    Killed(usize),
}

/// A step that is due.
pub(super) enum DueStep {
    Task(TaskId),
    Timer(TimerAction),
}

/// A task's key in the slab and its unique number. Keys are reused; the number keeps
/// a late wake-up from reaching another task.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TaskId {
    pub(super) key: usize,
    pub(super) number: u64,
}

/// The identity of a waker: two wakers with the same identity wake the same task.
type WakerId = (*const (), *const RawWakerVTable);

fn waker_id(waker: &Waker) -> WakerId {
    (waker.data(), waker.vtable())
}

impl Agenda {
    /// Creates the agenda of a world of this thread, without loops.
    pub(super) fn new() -> Rc<Self> {
        let agenda = Rc::new(Agenda {
            loops: RefCell::default(),
            has_requests: Arc::default(),
        });
        let _ = WORLDS.try_with(|worlds| worlds.borrow_mut().push(Rc::clone(&agenda)));
        agenda
    }

    /// Creates the schedule of the main loop and adds it.
    pub(super) fn add_main(&self) -> Rc<Schedule> {
        let schedule = Schedule::new(0, &self.has_requests);
        self.add(&schedule);
        schedule
    }

    /// Adds a loop as the last one.
    pub(super) fn add(&self, schedule: &Rc<Schedule>) {
        let mut loops = self.loops.borrow_mut();
        schedule.clock.index.store(loops.len(), Relaxed);
        loops.push(Rc::clone(schedule));
    }

    /// Removes a loop.
    pub(super) fn remove(&self, index: usize) {
        let mut loops = self.loops.borrow_mut();
        let removed = loops.remove(index);
        removed.clock.index.store(usize::MAX, Relaxed);
        for (index, schedule) in loops.iter().enumerate().skip(index) {
            schedule.clock.index.store(index, Relaxed);
        }
    }

    /// Removes all loops, because the world is dropped.
    pub(super) fn clear(self: &Rc<Self>) {
        drop(self.loops.take());
        // Fails while the thread ends.
        let _ = WORLDS.try_with(|worlds| worlds.borrow_mut().retain(|it| !Rc::ptr_eq(it, self)));
    }

    /// Performs the requests of other threads.
    pub(super) fn perform_requests(&self) {
        // Before the requests are taken, so that none is missed.
        if !HAS_THREADS
            || !self.has_requests.load(Relaxed)
            || !self.has_requests.swap(false, AcqRel)
        {
            return;
        }
        for schedule in self.loops.borrow().clone() {
            let requests = mem::take(&mut *schedule.clock.requests());
            for request in requests {
                match request {
                    Request::Ready(task) => schedule.push_ready(task),
                    Request::Set(key, waker) => schedule.set_waker(key, &waker),
                    Request::Unset(key) => schedule.unset(key),
                    Request::Advanced => schedule.update(&schedule.queues.borrow()),
                }
            }
        }
    }

    /// Returns the place of the loop with the next step, and the time. On a tie it is
    /// the first one.
    pub(super) fn first(&self) -> (usize, u64) {
        let (mut first, mut first_at) = (0, NEVER);
        for (index, schedule) in self.loops.borrow().iter().enumerate() {
            let at = schedule.next_at.get();
            if at < first_at {
                (first, first_at) = (index, at);
            }
        }
        (first, first_at)
    }
}

impl Schedule {
    /// Creates the schedule of a loop whose clock is zero at the time `begins`. It is
    /// not part of the agenda yet.
    fn new(begins: u64, has_requests: &Arc<AtomicBool>) -> Rc<Self> {
        Rc::new(Schedule {
            clock: Arc::new(SharedClock {
                begins,
                now: AtomicU64::new(0),
                index: AtomicUsize::new(usize::MAX),
                next_foreign_timer: AtomicU64::new(FIRST_FOREIGN_TIMER),
                requests: Mutex::default(),
                has_requests: Arc::clone(has_requests),
            }),
            queues: RefCell::default(),
            next_timer: Cell::new(0),
            is_stepping: Cell::new(false),
            running: Cell::new(None),
            ends_at: Cell::new(NEVER),
            next_at: Cell::new(NEVER),
        })
    }

    /// Creates the schedule of another loop of the same world.
    pub(super) fn other(&self, begins: u64) -> Rc<Self> {
        Schedule::new(begins, &self.clock.has_requests)
    }

    pub(crate) fn clock(&self) -> &Arc<SharedClock> {
        &self.clock
    }

    pub(crate) fn now(&self) -> u64 {
        self.clock.now()
    }

    /// Returns the time in the world at which the loop ends, or [`NEVER`].
    pub(super) fn ends_at(&self) -> u64 {
        self.ends_at.get()
    }

    /// Ends the loop at a time in the world.
    pub(super) fn end_at(&self, at: u64) {
        self.ends_at.set(at);
        self.update_next_at(&self.queues.borrow());
    }

    /// Marks a task as ready.
    pub(super) fn push_ready(&self, task: TaskId) {
        let mut queues = self.queues.borrow_mut();
        queues.ready.push_back(task);
        self.update(&queues);
    }

    /// Removes a task from the ready ones.
    pub(super) fn remove_ready(&self, task: TaskId) {
        let mut queues = self.queues.borrow_mut();
        queues.ready.retain(|ready| *ready != task);
        self.update(&queues);
    }

    /// Starts a step of this loop, which lasts until the guard is dropped.
    pub(super) fn begin_step(&self) -> StepGuard<'_> {
        self.is_stepping.set(true);
        StepGuard(self)
    }

    /// Sets the task that runs in this step, with its waker.
    pub(super) fn set_running(&self, task: TaskId, waker: &Waker) {
        self.running.set(Some((task, waker_id(waker))));
    }

    /// Returns the key of a new timer that is due after `duration`.
    pub(crate) fn timer_key(&self, duration: Duration) -> TimerKey {
        self.key_at(self.clock.deadline(duration))
    }

    fn key_at(&self, at: u64) -> TimerKey {
        let number = self.next_timer.get();
        self.next_timer.set(number + 1);
        (at, number)
    }

    /// Sets a new timer for the given time.
    pub(super) fn set_timer(&self, at: u64, action: TimerAction) {
        let mut queues = self.queues.borrow_mut();
        queues.add(self.key_at(at), action);
        self.update(&queues);
    }

    /// Sets a timer that wakes a task.
    pub(crate) fn set_waker(&self, key: TimerKey, waker: &Waker) {
        let action = match self.running.get() {
            // Spares the clone.
            Some((task, id)) if id == waker_id(waker) => TimerAction::Run(task),
            _ => TimerAction::Wake(waker.clone()),
        };
        let mut queues = self.queues.borrow_mut();
        if queues.single.is_none() {
            queues.single = Some((key, action));
        } else {
            queues.add(key, action);
        }
        self.update(&queues);
    }

    /// Removes a timer, unless it has fired.
    pub(crate) fn unset(&self, key: TimerKey) {
        let mut queues = self.queues.borrow_mut();
        let action = queues.remove(key);
        if action.is_some() {
            self.update(&queues);
        }
        drop(queues);
        // Dropped last, because a waker is the code of others.
        drop(action);
    }

    /// Returns whether a task is ready or a deadline is at or before `until`.
    pub(super) fn is_due(&self, until: u64) -> bool {
        let queues = self.queues.borrow();
        let first = queues.first_deadline();
        !queues.ready.is_empty() || first.is_some_and(|deadline| deadline <= until)
    }

    /// Takes the next step. If it is a timer, the clock advances to its deadline.
    pub(super) fn take_step(&self) -> Option<DueStep> {
        let mut queues = self.queues.borrow_mut();
        let task = queues.ready.pop_front();
        let step = if let Some(task) = task {
            DueStep::Task(task)
        } else {
            let ((deadline, _), action) = queues.pop()?;
            // `block` may have taken the clock past the deadline already.
            self.clock.now.store(self.now().max(deadline), Relaxed);
            DueStep::Timer(action)
        };
        self.update(&queues);
        Some(step)
    }

    /// Takes the next ready task.
    pub(super) fn take_ready(&self) -> Option<TaskId> {
        self.queues.borrow_mut().ready.pop_front()
    }

    /// Returns the number of ready tasks and of timers.
    pub(super) fn counts(&self) -> (usize, usize) {
        let queues = self.queues.borrow();
        let single = usize::from(queues.single.is_some());
        (queues.ready.len(), queues.timers.len() + single)
    }

    fn update(&self, queues: &Queues) {
        if !self.is_stepping.get() {
            self.update_next_at(queues);
        }
    }

    fn update_next_at(&self, queues: &Queues) {
        let now = self.clock.now();
        let next_at = match (queues.ready.is_empty(), queues.first_deadline()) {
            (false, _) => self.clock.world_time(now),
            (true, Some(deadline)) => self.clock.world_time(now.max(deadline)),
            (true, None) => NEVER,
        };
        self.next_at.set(next_at.min(self.ends_at()));
    }
}

/// Ends a step of a loop, also if the task panics.
pub(super) struct StepGuard<'a>(&'a Schedule);

impl Drop for StepGuard<'_> {
    fn drop(&mut self) {
        self.0.running.set(None);
        self.0.is_stepping.set(false);
        self.0.update_next_at(&self.0.queues.borrow());
    }
}

impl Queues {
    /// Returns the deadline of the next timer.
    fn first_deadline(&self) -> Option<u64> {
        let single = self.single.as_ref().map(|((deadline, _), _)| *deadline);
        let first = self.timers.front().map(|((deadline, _), _)| *deadline);
        match (single, first) {
            (Some(single), Some(first)) => Some(single.min(first)),
            _ => single.or(first),
        }
    }

    fn pop(&mut self) -> Option<(TimerKey, TimerAction)> {
        match (&self.single, self.timers.front()) {
            (Some((single, _)), Some((first, _))) if single > first => self.timers.pop_front(),
            (Some(_), _) => self.single.take(),
            (None, _) => self.timers.pop_front(),
        }
    }

    /// Adds a timer.
    fn add(&mut self, key: TimerKey, action: TimerAction) {
        let timers = &mut self.timers;
        if timers.back().is_none_or(|(last, _)| *last < key) {
            timers.push_back((key, action));
        } else {
            let index = self.position_of(key).unwrap_or_else(|index| index);
            self.timers.insert(index, (key, action));
        }
    }

    /// Removes a timer, unless it has fired.
    fn remove(&mut self, key: TimerKey) -> Option<TimerAction> {
        let timer = match (&self.single, self.timers.front()) {
            (Some((single, _)), _) if *single == key => self.single.take(),
            (_, Some((first, _))) if *first <= key => {
                let index = self.position_of(key).ok()?;
                self.timers.remove(index)
            }
            _ => None,
        };
        timer.map(|(_, action)| action)
    }

    fn position_of(&self, key: TimerKey) -> Result<usize, usize> {
        self.timers.binary_search_by_key(&key, |(key, _)| *key)
    }
}

impl SharedClock {
    pub(crate) fn now(&self) -> u64 {
        self.now.load(Relaxed)
    }

    pub(crate) fn now_duration(&self) -> Duration {
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
        self.now.fetch_max(until, Relaxed);
        match self.schedule() {
            Some(schedule) => schedule.update(&schedule.queues.borrow()),
            None => self.request(Request::Advanced),
        }
    }

    /// Marks a task as ready.
    pub(super) fn push_ready(&self, task: TaskId) {
        match self.schedule() {
            Some(schedule) => schedule.push_ready(task),
            None => self.request(Request::Ready(task)),
        }
    }

    /// Returns the key of a new timer that is due after `duration`.
    pub(crate) fn timer_key(&self, duration: Duration) -> TimerKey {
        self.key_at(self.deadline(duration))
    }

    fn key_at(&self, at: u64) -> TimerKey {
        match self.schedule() {
            Some(schedule) => schedule.key_at(at),
            None => (at, self.next_foreign_timer.fetch_add(1, Relaxed)),
        }
    }

    /// Sets a new timer for the given time.
    #[cfg(feature = "compute")]
    pub(super) fn set_timer(&self, at: u64, waker: &Waker) {
        self.set_waker(self.key_at(at), waker);
    }

    /// Sets a timer that wakes a task.
    pub(crate) fn set_waker(&self, key: TimerKey, waker: &Waker) {
        match self.schedule() {
            Some(schedule) => schedule.set_waker(key, waker),
            None => self.request(Request::Set(key, waker.clone())),
        }
    }

    /// Removes a timer, unless it has fired.
    pub(crate) fn unset(&self, key: TimerKey) {
        match self.schedule() {
            Some(schedule) => schedule.unset(key),
            None => self.request(Request::Unset(key)),
        }
    }

    /// Returns the time after `duration`. `Duration::MAX` does not overflow.
    fn deadline(&self, duration: Duration) -> u64 {
        self.now().saturating_add(nanos(duration))
    }

    fn index(&self) -> usize {
        self.index.load(Relaxed)
    }

    /// Returns the schedule, if this is the thread of the world.
    fn schedule(&self) -> Option<Rc<Schedule>> {
        let schedule = WORLDS.try_with(|worlds| {
            let worlds = worlds.borrow();
            let is_own = |world: &&Rc<Agenda>| Arc::ptr_eq(&world.has_requests, &self.has_requests);
            let loops = worlds.iter().find(is_own)?.loops.borrow();
            loops.get(self.index()).map(Rc::clone)
        });
        schedule.ok().flatten()
    }

    /// Leaves a request for the thread of the world.
    fn request(&self, request: Request) {
        if HAS_THREADS {
            self.requests().push(request);
            self.has_requests.store(true, Release);
        }
    }

    fn requests(&self) -> MutexGuard<'_, Vec<Request>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
