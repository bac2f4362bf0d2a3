//! What flatlines when the loop is held.

use super::started;
use crate::{
    platform::Task,
    scale::LagMonitor,
    scenario::{Context, scaling::HEARTBEAT},
    trace::RecordKind,
};
use std::{cell::Cell, rc::Rc};

/// A heartbeat under way. Each beat is a span, from when it was due to when it
/// came.
pub(super) struct Heartbeat {
    is_over: Rc<Cell<bool>>,
    task: Task<()>,
}

impl Heartbeat {
    pub(super) fn start(context: &Context) -> Self {
        let is_over = Rc::new(Cell::new(false));
        let id = started(context, HEARTBEAT);
        let (context, ends) = (context.clone(), Rc::clone(&is_over));
        let platform = context.platform.clone();
        let task = platform.spawn(async move {
            let interval = context.params.millis("beat");
            let mut monitor = LagMonitor::new(interval, context.platform.now());
            while !ends.get() {
                let due = monitor.next_due();
                let wait = due.saturating_sub(context.platform.now());
                context.platform.sleep(wait).await;
                monitor.beat(context.platform.now());
                let beat = context
                    .trace
                    .begin_at(due, RecordKind::Beat, id, monitor.beats());
                beat.succeed();
            }
        });
        Heartbeat { is_over, task }
    }

    /// Lets the beat that is due come, and no more.
    pub(super) async fn stop(self) {
        self.is_over.set(true);
        self.task.await;
    }
}
