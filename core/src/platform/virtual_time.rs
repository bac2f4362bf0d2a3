//! The world that is only simulated.

use super::{Clock, Platform, Spawn, Timer};
use futures::future::{BoxFuture, LocalBoxFuture};
use slab::Slab;
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    fmt,
    pin::Pin,
    rc::{Rc, Weak},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    time::Duration,
};

/// A single-threaded executor whose clock stands still while tasks run and
/// jumps to the next timer when none can.
///
/// Exactly repeatable: tasks run in the order they were woken, timers fire in
/// the order of their deadlines, and of those with the same deadline the one
/// set first fires first.
///
/// Dropping it drops the tasks it has not finished; what is spawned on one of
/// its platforms after that never runs.
///
/// ```
/// use highwater::platform::VirtualTime;
/// use std::time::Duration;
///
/// let world = VirtualTime::new();
/// let platform = world.platform();
/// let task = platform.spawn({
///     let platform = platform.clone();
///     async move {
///         platform.sleep(Duration::from_secs(3600)).await;
///         platform.now()
///     }
/// });
/// // An hour, in no time.
/// assert_eq!(world.run_to_end(task), Some(Duration::from_secs(3600)));
/// ```
pub struct VirtualTime {
    tasks: Rc<Tasks>,
    shared: Arc<Shared>,
}

/// What [`VirtualTime::step`] did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It ran one task up to its next wait.
    Ran,
    /// No task could run: the clock went to the next timer, and that fired.
    Advanced(Duration),
    /// No task can run and no timer is set: nothing will ever happen again.
    Idle,
}

impl VirtualTime {
    /// A world at time zero, without tasks.
    #[must_use]
    pub fn new() -> Self {
        VirtualTime {
            tasks: Rc::default(),
            shared: Arc::default(),
        }
    }

    /// The ports of this world.
    #[must_use]
    pub fn platform(&self) -> Platform {
        let spawner = Spawner {
            tasks: Rc::downgrade(&self.tasks),
            shared: Arc::clone(&self.shared),
        };
        Platform::new(self.timer(), Rc::new(spawner))
    }

    /// The clock and timer of this world.
    #[must_use]
    pub fn timer(&self) -> Arc<dyn Timer> {
        Arc::new(VirtualTimer(Arc::clone(&self.shared)))
    }

    /// The simulated time.
    #[must_use]
    pub fn now(&self) -> Duration {
        self.shared.state().now
    }

    /// Does the next thing there is to do.
    ///
    /// # Panics
    ///
    /// If the task it runs panics: the panic passes through.
    pub fn step(&self) -> Step {
        let ready = self.shared.state().ready.pop_front();
        if let Some(task) = ready {
            self.tasks.run(task);
            return Step::Ran;
        }
        let mut state = self.shared.state();
        let Some(((deadline, _), waker)) = state.timers.pop_front() else {
            return Step::Idle;
        };
        // `block` may have taken the clock past the deadline already.
        state.now = state.now.max(deadline);
        let now = state.now;
        drop(state);
        waker.wake();
        Step::Advanced(now)
    }

    /// Runs all that is due up to and including `until`, and leaves the clock
    /// there (or later, if a task blocked beyond it).
    pub fn run_until(&self, until: Duration) {
        loop {
            let mut state = self.shared.state();
            let due = !state.ready.is_empty()
                || state
                    .timers
                    .front()
                    .is_some_and(|((deadline, _), _)| *deadline <= until);
            if !due {
                state.now = state.now.max(until);
                return;
            }
            drop(state);
            self.step();
        }
    }

    /// Runs until `main` completes; `None` if everything waits for ever first
    /// (a deadlock). Other tasks may be left over.
    pub fn run_to_end<T: 'static>(&self, main: impl Future<Output = T> + 'static) -> Option<T> {
        let result = Rc::new(RefCell::new(None));
        let main_result = Rc::clone(&result);
        self.tasks.spawn(
            &self.shared,
            Box::pin(async move {
                let value = main.await;
                *main_result.borrow_mut() = Some(value);
            }),
        );
        loop {
            let idle = self.step() == Step::Idle;
            let done = result.borrow_mut().take();
            if done.is_some() || idle {
                return done;
            }
        }
    }
}

impl Drop for VirtualTime {
    /// Cancels every task. Tasks hold ports of this world and so hold each
    /// other: left alone they would outlive it, and so would their spans.
    fn drop(&mut self) {
        // Taken out first: what a task does when dropped may use the ports.
        let unfinished = self.tasks.unfinished.take();
        drop(unfinished);
    }
}

impl Default for VirtualTime {
    fn default() -> Self {
        VirtualTime::new()
    }
}

impl fmt::Debug for VirtualTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.shared.state();
        f.debug_struct("VirtualTime")
            .field("now", &state.now)
            .field("ready", &state.ready.len())
            .field("timers", &state.timers.len())
            .finish_non_exhaustive()
    }
}

/// A place among the tasks, and a number that is never used again: places are,
/// but a late wake-up is to find nothing rather than somebody else's task.
#[derive(Clone, Copy, PartialEq, Eq)]
struct TaskId {
    place: usize,
    number: u64,
}

struct Task {
    /// None while it runs.
    future: Option<LocalBoxFuture<'static, ()>>,
    waker: Arc<TaskWaker>,
}

/// The unfinished tasks.
#[derive(Default)]
struct Tasks {
    unfinished: RefCell<Slab<Task>>,
    next: Cell<u64>,
}

impl Tasks {
    fn spawn(&self, shared: &Arc<Shared>, task: LocalBoxFuture<'static, ()>) {
        let mut unfinished = self.unfinished.borrow_mut();
        let entry = unfinished.vacant_entry();
        let id = TaskId {
            place: entry.key(),
            number: self.next.replace(self.next.get() + 1),
        };
        let waker = Arc::new(TaskWaker {
            id,
            queued: AtomicBool::new(false),
            shared: Arc::clone(shared),
        });
        entry.insert(Task {
            future: Some(task),
            waker: Arc::clone(&waker),
        });
        waker.wake();
    }

    fn run(&self, id: TaskId) {
        let Some((mut future, waker)) = self.take(id) else {
            return;
        };
        waker.queued.store(false, Ordering::Relaxed);
        let as_waker = Waker::from(Arc::clone(&waker));
        let poll = future.as_mut().poll(&mut Context::from_waker(&as_waker));
        let mut unfinished = self.unfinished.borrow_mut();
        if poll.is_pending() {
            unfinished[id.place].future = Some(future);
            return;
        }
        unfinished.remove(id.place);
        // Its end may use the ports.
        drop(unfinished);
        drop(future);
        if waker.queued.swap(true, Ordering::Relaxed) {
            // Woken as it ended: a turn without a task would be no step. From
            // here on it counts as queued, so that nothing queues it again.
            waker.shared.state().ready.retain(|ready| *ready != id);
        }
    }

    /// Takes a task's future out, to run it: it may spawn others meanwhile.
    fn take(&self, id: TaskId) -> Option<(LocalBoxFuture<'static, ()>, Arc<TaskWaker>)> {
        let mut unfinished = self.unfinished.borrow_mut();
        let task = unfinished.get_mut(id.place)?;
        if task.waker.id != id {
            return None;
        }
        Some((task.future.take()?, Arc::clone(&task.waker)))
    }
}

/// Weak, because tasks hold their platform: a world that is dropped half-way
/// drops its tasks with it, as a reset needs.
struct Spawner {
    tasks: Weak<Tasks>,
    shared: Arc<Shared>,
}

impl Spawn for Spawner {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        if let Some(tasks) = self.tasks.upgrade() {
            tasks.spawn(&self.shared, task);
        }
    }
}

/// What timers and wakers reach: they are `Send`, as their traits ask.
#[derive(Default)]
struct Shared {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    now: Duration,
    ready: VecDeque<TaskId>,
    /// By deadline, then by the order in which they were set. Most are set for
    /// later than the others or go off next, and so are added or taken at an
    /// end; a tree would be a sixth of what the page downloads of this crate.
    timers: VecDeque<(TimerKey, Waker)>,
    next_timer: u64,
}

type TimerKey = (Duration, u64);

impl State {
    /// Sets a timer, or another waker for one that is set: answers the old.
    fn set(&mut self, key: TimerKey, waker: Waker) -> Option<Waker> {
        match self.place_of(key) {
            Ok(place) => Some(std::mem::replace(&mut self.timers[place].1, waker)),
            Err(place) => {
                self.timers.insert(place, (key, waker));
                None
            }
        }
    }

    /// Forgets a timer, if it is set.
    fn unset(&mut self, key: TimerKey) -> Option<Waker> {
        let place = self.place_of(key).ok()?;
        self.timers.remove(place).map(|(_, waker)| waker)
    }

    fn place_of(&self, key: TimerKey) -> Result<usize, usize> {
        self.timers.binary_search_by_key(&key, |(key, _)| *key)
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct TaskWaker {
    id: TaskId,
    queued: AtomicBool,
    shared: Arc<Shared>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.shared.state().ready.push_back(self.id);
        }
    }
}

struct VirtualTimer(Arc<Shared>);

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
        let mut state = self.0.state();
        state.now = state.now.saturating_add(duration);
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
