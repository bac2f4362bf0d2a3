//! Timed messages between a simulated process and its parent.

use crate::{
    latency::nanos,
    platform::{
        Exit, ProcessEvent,
        virtual_time::{
            queue::Queue,
            schedule::{NEVER, Schedule, TimerAction},
        },
    },
};
use std::{cell::Cell, rc::Rc, time::Duration};

/// The time from the call that starts a simulated process until its program begins.
/// Small native processes take about as long.
pub const PROCESS_START: Duration = Duration::from_millis(2);

/// The time a message takes between a simulated process and its parent, about as
/// long as through a pipe. The report of an exit takes as long.
pub const MESSAGE_DELAY: Duration = Duration::from_micros(50);

/// The messages between a process and its parent. Times are those of the loop.
pub(super) struct Mailbox {
    /// The number of the process.
    process: usize,
    parent: Rc<Schedule>,
    own: Rc<Schedule>,
    /// The messages to the process.
    inbox: Queue<String>,
    /// Its events.
    events: Queue<ProcessEvent>,
    /// The time at which the program completed or crashed, or [`NEVER`].
    exited_at: Cell<u64>,
    /// No code of the process runs any more.
    has_ended: Cell<bool>,
}

impl Mailbox {
    pub(super) fn new(
        process: usize,
        parent: &Rc<Schedule>,
        own: &Rc<Schedule>,
        (inbox, events): (Queue<String>, Queue<ProcessEvent>),
    ) -> Self {
        Mailbox {
            process,
            parent: Rc::clone(parent),
            own: Rc::clone(own),
            inbox,
            events,
            exited_at: Cell::new(NEVER),
            has_ended: Cell::new(false),
        }
    }

    /// Delivers a message to the process, or ends its messages if it is `None`.
    pub(super) fn to_process(&self, message: Option<String>) {
        // A message that arrives before the process begins is there when it does.
        let at = self.own.clock().own_time(arrival(self.parent.now()));
        self.inbox.send(message);
        self.own.set_timer(at, TimerAction::Input);
    }

    /// Sends an event to the parent, unless the process has ended.
    pub(super) fn to_parent(&self, event: ProcessEvent) {
        if !self.has_ended() {
            self.deliver(event, TimerAction::Event(self.process), self.now());
        }
    }

    /// Ends the process from inside and reports why.
    pub(super) fn exit(&self, exit: Exit) {
        if self.has_ended() {
            return;
        }
        let now = self.now();
        self.exited_at.set(now);
        self.end();
        self.deliver(
            ProcessEvent::Exited(exit),
            TimerAction::Exit(self.process),
            now,
        );
    }

    /// Kills the process now, from the parent.
    pub(super) fn kill(&self) {
        let now = self.parent.now();
        if self.own.ends_at() == NEVER && self.exited_at.get() > now {
            // The process may still have steps before it.
            self.own.end_at(now);
            let killed = TimerAction::Killed(self.process);
            self.parent.set_timer(arrival(now), killed);
        }
    }

    /// Ends the process. Events that it sends while it is dropped are discarded.
    pub(super) fn end(&self) {
        self.has_ended.set(true);
    }

    /// Returns whether the process has ended.
    pub(super) fn has_ended(&self) -> bool {
        self.has_ended.get()
    }

    /// Delivers an event to the parent one message delay after `sent`. Events that
    /// a blocked process sends after its kill arrive after the exit and are not
    /// read.
    fn deliver(&self, event: ProcessEvent, action: TimerAction, sent: u64) {
        self.events.send(Some(event));
        self.parent.set_timer(arrival(sent), action);
    }

    /// Returns the process's current time as loop time.
    fn now(&self) -> u64 {
        self.own.clock().world_time(self.own.now())
    }
}

/// Returns the arrival time of a message.
fn arrival(sent: u64) -> u64 {
    sent.saturating_add(nanos(MESSAGE_DELAY))
}
