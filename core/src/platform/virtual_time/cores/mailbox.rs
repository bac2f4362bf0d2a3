//! Timed messages between a simulated process and its parent.

use crate::platform::{
    Exit, ProcessEvent,
    virtual_time::shared_clock::{SharedClock, deferred_waker},
};
use futures_channel::mpsc::UnboundedSender;
use std::{cell::RefCell, sync::Arc, time::Duration};

/// The time from the call that starts a simulated process until its program begins.
/// Small native processes take about as long.
pub const PROCESS_START: Duration = Duration::from_millis(2);

/// The time a message takes between a simulated process and its parent, about as
/// long as through a pipe. The report of an exit takes as long.
pub const MESSAGE_DELAY: Duration = Duration::from_micros(50);

/// The messages between a process and its parent. Times are those of the loop.
pub(super) struct Mailbox {
    /// The time at which the process begins.
    begins: Duration,
    parent: Arc<SharedClock>,
    process: Arc<SharedClock>,
    events: UnboundedSender<ProcessEvent>,
    lifecycle: RefCell<Lifecycle>,
}

/// The end of a process.
#[derive(Default)]
struct Lifecycle {
    /// The time of the kill. The process may still have steps before it.
    killed_at: Option<Duration>,
    /// The time at which the program completed or crashed.
    exited_at: Option<Duration>,
    /// No code of the process runs any more.
    has_ended: bool,
}

impl Mailbox {
    pub(super) fn new(
        parent: &Arc<SharedClock>,
        process: &Arc<SharedClock>,
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

    /// Converts a time of the process's clock to the loop's time.
    pub(super) fn to_loop_time(&self, at: Duration) -> Duration {
        self.begins.saturating_add(at)
    }

    /// Runs `action` in the process when a message sent now arrives.
    pub(super) fn to_process(&self, action: impl FnOnce() + Send + 'static) {
        let sent = self.parent.state().now;
        let at = sent.saturating_add(MESSAGE_DELAY);
        // A message that arrives before the process begins is there when it does.
        let at = at.saturating_sub(self.begins);
        self.process.state().wake_at(at, deferred_waker(action));
    }

    /// Sends an event to the parent, unless the process has ended.
    pub(super) fn to_parent(&self, event: ProcessEvent) {
        if !self.has_ended() {
            self.deliver(event, self.now());
        }
    }

    /// Ends the process from inside and reports why.
    pub(super) fn exit(&self, exit: Exit) {
        if self.has_ended() {
            return;
        }
        let now = self.now();
        self.lifecycle.borrow_mut().exited_at = Some(now);
        self.end();
        self.deliver(ProcessEvent::Exited(exit), now);
    }

    /// Kills the process now, from the parent.
    pub(super) fn kill(&self) {
        let now = self.parent.state().now;
        let mut lifecycle = self.lifecycle.borrow_mut();
        if lifecycle.killed_at.is_some() || lifecycle.exited_at.is_some_and(|at| at <= now) {
            return;
        }
        lifecycle.killed_at = Some(now);
        self.deliver(ProcessEvent::Exited(Exit::Killed), now);
    }

    /// Returns the time of the kill, if there was one.
    pub(super) fn killed_at(&self) -> Option<Duration> {
        self.lifecycle.borrow().killed_at
    }

    /// Returns whether the process was killed at or before `at`.
    pub(super) fn is_killed_by(&self, at: Duration) -> bool {
        self.killed_at().is_some_and(|killed| killed <= at)
    }

    /// Ends the process. Events that it sends while it is dropped are discarded.
    pub(super) fn end(&self) {
        self.lifecycle.borrow_mut().has_ended = true;
    }

    /// Returns whether the process has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.lifecycle.borrow().has_ended
    }

    /// Delivers an event to the parent one message delay after `sent`. Events that
    /// a blocked process sends after its kill arrive after the exit and are not
    /// read.
    fn deliver(&self, event: ProcessEvent, sent: Duration) {
        let events = self.events.clone();
        let action = move || {
            // Fails if the handle was dropped.
            let _ = events.unbounded_send(event);
        };
        let at = sent.saturating_add(MESSAGE_DELAY);
        self.parent.state().wake_at(at, deferred_waker(action));
    }

    /// Returns the process's current time as loop time.
    fn now(&self) -> Duration {
        let now = self.process.state().now;
        self.to_loop_time(now)
    }
}
