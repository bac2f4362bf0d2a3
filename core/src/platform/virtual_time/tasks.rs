//! The tasks of a simulated event loop and their wakers.

use super::shared_clock::{SharedClock, TaskId};
use crate::platform::Spawn;
use futures_util::future::LocalBoxFuture;
use slab::Slab;
use std::{
    cell::{Cell, RefCell},
    rc::Weak,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

pub(super) struct SpawnedTask {
    /// `None` while the task runs.
    future: Option<LocalBoxFuture<'static, ()>>,
    waker: Arc<TaskWaker>,
}

/// The unfinished tasks.
pub(super) struct Tasks {
    pub(super) unfinished: RefCell<Slab<SpawnedTask>>,
    next: Cell<u64>,
    clock: Arc<SharedClock>,
}

impl Tasks {
    pub(super) fn new(clock: &Arc<SharedClock>) -> Self {
        Tasks {
            unfinished: RefCell::default(),
            next: Cell::default(),
            clock: Arc::clone(clock),
        }
    }

    pub(super) fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        let mut unfinished = self.unfinished.borrow_mut();
        let entry = unfinished.vacant_entry();
        let id = TaskId {
            key: entry.key(),
            number: self.next.replace(self.next.get() + 1),
        };
        let waker = Arc::new(TaskWaker {
            id,
            queued: AtomicBool::new(false),
            clock: Arc::clone(&self.clock),
        });
        entry.insert(SpawnedTask {
            future: Some(task),
            waker: Arc::clone(&waker),
        });
        waker.wake();
    }

    pub(super) fn run(&self, id: TaskId) {
        let Some((mut future, waker)) = self.take(id) else {
            return;
        };
        waker.queued.store(false, Ordering::Relaxed);
        let as_waker = Waker::from(Arc::clone(&waker));
        let poll = future.as_mut().poll(&mut Context::from_waker(&as_waker));
        let mut unfinished = self.unfinished.borrow_mut();
        if poll.is_pending() {
            unfinished[id.key].future = Some(future);
            return;
        }
        unfinished.remove(id.key);
        // Dropping the future may use the ports.
        drop(unfinished);
        drop(future);
        if waker.queued.swap(true, Ordering::Relaxed) {
            // The task was woken as it ended. Remove it, since an empty turn would not
            // be a step. It stays marked as queued, so it is never queued again.
            waker.clock.state().ready.retain(|ready| *ready != id);
        }
    }

    /// Takes a task's future out of the slab, since it may spawn others while it runs.
    fn take(&self, id: TaskId) -> Option<(LocalBoxFuture<'static, ()>, Arc<TaskWaker>)> {
        let mut unfinished = self.unfinished.borrow_mut();
        let task = unfinished.get_mut(id.key)?;
        if task.waker.id != id {
            return None;
        }
        Some((task.future.take()?, Arc::clone(&task.waker)))
    }
}

/// The port that starts tasks. It is weak because tasks hold their platform: a
/// dropped world drops its tasks, which a reset relies on.
pub(super) struct Spawner(pub(super) Weak<Tasks>);

impl Spawn for Spawner {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        if let Some(tasks) = self.0.upgrade() {
            tasks.spawn(task);
        }
    }
}

struct TaskWaker {
    id: TaskId,
    queued: AtomicBool,
    clock: Arc<SharedClock>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            self.clock.state().ready.push_back(self.id);
        }
    }
}
