//! What goes between a simulated process and its parent, each thing dated.

use super::{MESSAGE_DELAY, PROCESS_START, Shared};
use crate::platform::{Exit, ProcessEvent};
use futures::channel::mpsc::UnboundedSender;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Wake, Waker},
    time::Duration,
};

/// The post between a process and its parent. Times are the loop's.
pub(super) struct Post {
    /// When the process begins.
    begins: Duration,
    parent: Arc<Shared>,
    process: Arc<Shared>,
    events: UnboundedSender<ProcessEvent>,
    fate: Arc<Mutex<Fate>>,
}

/// How a process ends.
#[derive(Default)]
struct Fate {
    /// When it was killed. It may be told so before it comes to that moment.
    killed_at: Option<Duration>,
    /// When it came to its end, by its program or by a bug.
    exited_at: Option<Duration>,
    /// Nothing of it runs any more.
    has_ended: bool,
}

impl Post {
    pub(super) fn new(
        parent: &Arc<Shared>,
        process: &Arc<Shared>,
        events: UnboundedSender<ProcessEvent>,
    ) -> Self {
        Post {
            begins: parent.state().now.saturating_add(PROCESS_START),
            parent: Arc::clone(parent),
            process: Arc::clone(process),
            events,
            fate: Arc::default(),
        }
    }

    /// The loop's time when the process's clock shows `at`.
    pub(super) fn to_loop_time(&self, at: Duration) -> Duration {
        self.begins.saturating_add(at)
    }

    /// Does something in the process when a message sent now arrives.
    pub(super) fn to_process(&self, deliver: impl FnOnce() + Send + 'static) {
        let sent = self.parent.state().now;
        let at = sent.saturating_add(MESSAGE_DELAY);
        // What comes before the process has begun is there when it does.
        let at = at.saturating_sub(self.begins);
        self.process.state().wake_at(at, letter(deliver));
    }

    /// Tells the parent something, unless the process has ended.
    pub(super) fn to_parent(&self, event: ProcessEvent) {
        let fate = self.fate();
        if fate.has_ended || fate.exited_at.is_some() {
            return;
        }
        drop(fate);
        self.tell(event, self.now());
    }

    /// The process ends by itself.
    pub(super) fn exit(&self, exit: Exit) {
        let now = self.now();
        let mut fate = self.fate();
        if fate.has_ended || fate.exited_at.is_some() {
            return;
        }
        fate.exited_at = Some(now);
        fate.has_ended = true;
        drop(fate);
        self.tell(ProcessEvent::Exited(exit), now);
    }

    /// The parent ends the process, now.
    pub(super) fn kill(&self) {
        let now = self.parent.state().now;
        let mut fate = self.fate();
        if fate.killed_at.is_some() || fate.exited_at.is_some_and(|at| at <= now) {
            return;
        }
        fate.killed_at = Some(now);
        drop(fate);
        self.tell(ProcessEvent::Exited(Exit::Killed), now);
    }

    /// When it was killed, if it was.
    pub(super) fn killed_at(&self) -> Option<Duration> {
        self.fate().killed_at
    }

    /// Whether it was killed before it would do anything at `at`.
    pub(super) fn is_killed_by(&self, at: Duration) -> bool {
        self.killed_at().is_some_and(|killed| killed <= at)
    }

    /// Nothing of it runs any more, and what it does as it is dropped is told
    /// to nobody.
    pub(super) fn end(&self) {
        self.fate().has_ended = true;
    }

    /// Whether nothing of it runs any more.
    pub(super) fn has_ended(&self) -> bool {
        self.fate().has_ended
    }

    /// Has the parent told at its time. What was done later than the process
    /// was killed is not done: it was blocked then, and did not come to it.
    fn tell(&self, event: ProcessEvent, sent: Duration) {
        let (events, fate) = (self.events.clone(), Arc::clone(&self.fate));
        let deliver = move || {
            let killed = lock(&fate).killed_at;
            if killed.is_none_or(|killed| sent <= killed) {
                // Nobody reads if the handle was dropped.
                let _ = events.unbounded_send(event);
            }
        };
        let at = sent.saturating_add(MESSAGE_DELAY);
        self.parent.state().wake_at(at, letter(deliver));
    }

    /// What the process's clock shows, as the loop's time.
    fn now(&self) -> Duration {
        let now = self.process.state().now;
        self.to_loop_time(now)
    }

    fn fate(&self) -> MutexGuard<'_, Fate> {
        lock(&self.fate)
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What is to be done at a time, in the shape in which a timer keeps it.
fn letter(deliver: impl FnOnce() + Send + 'static) -> Waker {
    Waker::from(Arc::new(Letter(Mutex::new(Some(Box::new(deliver))))))
}

struct Letter(Mutex<Option<Box<dyn FnOnce() + Send>>>);

impl Wake for Letter {
    fn wake(self: Arc<Self>) {
        let deliver = lock(&self.0).take();
        if let Some(deliver) = deliver {
            deliver();
        }
    }
}
