//! What goes between a simulated process and its parent, each thing dated.

use super::{MESSAGE_DELAY, PROCESS_START, Shared};
use crate::platform::{Exit, ProcessEvent, virtual_time::timers::deferred_waker};
use futures::channel::mpsc::UnboundedSender;
use std::{cell::RefCell, sync::Arc, time::Duration};

/// The post between a process and its parent. Times are the loop's.
pub(super) struct Mailbox {
    /// When the process begins.
    begins: Duration,
    parent: Arc<Shared>,
    process: Arc<Shared>,
    events: UnboundedSender<ProcessEvent>,
    lifecycle: RefCell<Lifecycle>,
}

/// How a process ends.
#[derive(Default)]
struct Lifecycle {
    /// When it was killed. Its turn at that moment may be still to come.
    killed_at: Option<Duration>,
    /// When it came to its end, by its program or by a bug.
    exited_at: Option<Duration>,
    /// Nothing of it runs any more.
    has_ended: bool,
}

impl Mailbox {
    pub(super) fn new(
        parent: &Arc<Shared>,
        process: &Arc<Shared>,
        events: UnboundedSender<ProcessEvent>,
    ) -> Self {
        Mailbox {
            begins: parent.state().now.saturating_add(PROCESS_START),
            parent: Arc::clone(parent),
            process: Arc::clone(process),
            events,
            lifecycle: RefCell::default(),
        }
    }

    /// The loop's time when the process's clock shows `at`.
    pub(super) fn to_loop_time(&self, at: Duration) -> Duration {
        self.begins.saturating_add(at)
    }

    /// Does something in the process when a message sent now arrives.
    pub(super) fn to_process(&self, action: impl FnOnce() + Send + 'static) {
        let sent = self.parent.state().now;
        let at = sent.saturating_add(MESSAGE_DELAY);
        // What comes before the process has begun is there when it does.
        let at = at.saturating_sub(self.begins);
        self.process.state().wake_at(at, deferred_waker(action));
    }

    /// Tells the parent something, unless the process has ended.
    pub(super) fn to_parent(&self, event: ProcessEvent) {
        if !self.has_ended() {
            self.deliver(event, self.now());
        }
    }

    /// The process ends by itself.
    pub(super) fn exit(&self, exit: Exit) {
        if self.has_ended() {
            return;
        }
        let now = self.now();
        self.lifecycle.borrow_mut().exited_at = Some(now);
        self.end();
        self.deliver(ProcessEvent::Exited(exit), now);
    }

    /// The parent ends the process, now.
    pub(super) fn kill(&self) {
        let now = self.parent.state().now;
        let mut lifecycle = self.lifecycle.borrow_mut();
        if lifecycle.killed_at.is_some() || lifecycle.exited_at.is_some_and(|at| at <= now) {
            return;
        }
        lifecycle.killed_at = Some(now);
        self.deliver(ProcessEvent::Exited(Exit::Killed), now);
    }

    /// When it was killed, if it was.
    pub(super) fn killed_at(&self) -> Option<Duration> {
        self.lifecycle.borrow().killed_at
    }

    /// Whether it was killed before it would do anything at `at`.
    pub(super) fn is_killed_by(&self, at: Duration) -> bool {
        self.killed_at().is_some_and(|killed| killed <= at)
    }

    /// Nothing of it runs any more, and what it does as it is dropped is told
    /// to nobody.
    pub(super) fn end(&self) {
        self.lifecycle.borrow_mut().has_ended = true;
    }

    /// Whether nothing of it runs any more.
    pub(super) fn has_ended(&self) -> bool {
        self.lifecycle.borrow().has_ended
    }

    /// Has the parent told at its time. What a process that is blocked does
    /// after it was killed arrives after that it was killed, and is not read.
    fn deliver(&self, event: ProcessEvent, sent: Duration) {
        let events = self.events.clone();
        let action = move || {
            // Nobody reads if the handle was dropped.
            let _ = events.unbounded_send(event);
        };
        let at = sent.saturating_add(MESSAGE_DELAY);
        self.parent.state().wake_at(at, deferred_waker(action));
    }

    /// What the process's clock shows, as the loop's time.
    fn now(&self) -> Duration {
        let now = self.process.state().now;
        self.to_loop_time(now)
    }
}
