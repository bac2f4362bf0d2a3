//! The tasks of a simulated event loop and their wakers.

use super::schedule::{Schedule, SharedClock, TaskId};
use crate::platform::Spawn;
use futures_util::future::LocalBoxFuture;
use slab::Slab;
use std::{
    cell::{Cell, RefCell},
    rc::{Rc, Weak},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Wake, Waker},
};

pub(super) struct SpawnedTask {
    number: u64,
    /// `None` while the task runs.
    suspended: Option<SuspendedTask>,
}

struct SuspendedTask {
    future: LocalBoxFuture<'static, ()>,
    task_waker: Arc<TaskWaker>,
    waker: Waker,
}

/// The unfinished tasks.
pub(super) struct Tasks {
    pub(super) unfinished: RefCell<Slab<SpawnedTask>>,
    next: Cell<u64>,
    schedule: Rc<Schedule>,
}

impl Tasks {
    pub(super) fn new(schedule: &Rc<Schedule>) -> Self {
        Tasks {
            unfinished: RefCell::default(),
            next: Cell::default(),
            schedule: Rc::clone(schedule),
        }
    }

    pub(super) fn spawn(&self, task: LocalBoxFuture<'static, ()>) {
        let mut unfinished = self.unfinished.borrow_mut();
        let entry = unfinished.vacant_entry();
        let id = TaskId {
            key: entry.key(),
            number: self.next.replace(self.next.get() + 1),
        };
        let task_waker = Arc::new(TaskWaker {
            id,
            queued: AtomicBool::new(false),
            clock: Arc::clone(self.schedule.clock()),
        });
        entry.insert(SpawnedTask {
            number: id.number,
            suspended: Some(SuspendedTask {
                future: task,
                waker: Waker::from(Arc::clone(&task_waker)),
                task_waker: Arc::clone(&task_waker),
            }),
        });
        task_waker.wake();
    }

    pub(super) fn run(&self, id: TaskId) {
        // Taken out of the slab, since it may spawn others while it runs.
        let task = self.with(id, Option::take);
        let Some(mut task) = task.flatten() else {
            return;
        };
        task.task_waker.queued.store(false, Ordering::Relaxed);
        self.schedule.set_running(id, &task.waker);
        let mut context = Context::from_waker(&task.waker);
        let poll = task.future.as_mut().poll(&mut context);
        let mut unfinished = self.unfinished.borrow_mut();
        if poll.is_pending() {
            unfinished[id.key].suspended = Some(task);
            return;
        }
        unfinished.remove(id.key);
        // Dropping the future may use the ports.
        drop(unfinished);
        drop(task.future);
        if task.task_waker.queued.swap(true, Ordering::Relaxed) {
            // The task was woken as it ended. Remove it, since an empty turn would not
            // be a step. It stays marked as queued, so it is never queued again.
            self.schedule.remove_ready(id);
        }
    }

    /// Wakes a task whose timer fired.
    pub(super) fn wake(&self, id: TaskId) {
        let waker = self.with(id, |suspended| {
            suspended.as_ref().map(|it| it.waker.clone())
        });
        if let Some(waker) = waker.flatten() {
            waker.wake();
        }
    }

    fn with<R>(&self, id: TaskId, f: impl FnOnce(&mut Option<SuspendedTask>) -> R) -> Option<R> {
        let mut unfinished = self.unfinished.borrow_mut();
        let task = unfinished.get_mut(id.key)?;
        (task.number == id.number).then(|| f(&mut task.suspended))
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
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        // Not a swap, which takes longer: if two threads wake it at the same time, the
        // task only runs twice.
        if !self.queued.load(Ordering::Relaxed) {
            self.queued.store(true, Ordering::Relaxed);
            self.clock.push_ready(self.id);
        }
    }
}
