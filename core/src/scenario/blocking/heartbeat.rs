//! The loop's heartbeat, which stops while the loop is blocked.

use crate::{
    platform::Task,
    scale::LagMonitor,
    scenario::{Context, scaling::HEARTBEAT},
    trace::RecordKind,
};
use std::{cell::Cell, rc::Rc};

/// A running heartbeat. Each beat is a span from its due time to its actual time.
pub(super) struct Heartbeat {
    is_stopped: Rc<Cell<bool>>,
    task: Task<()>,
}

impl Heartbeat {
    pub(super) fn start(context: &Context) -> Self {
        let is_stopped = Rc::new(Cell::new(false));
        let id = context.start_source(HEARTBEAT);
        let (context, should_stop) = (context.clone(), Rc::clone(&is_stopped));
        let platform = context.platform.clone();
        let task = platform.spawn(async move {
            let interval = context.params.millis("beat");
            let mut monitor = LagMonitor::new(interval, context.platform.now());
            while !should_stop.get() {
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
        Heartbeat { is_stopped, task }
    }

    /// Stops after the next beat.
    pub(super) async fn stop(self) {
        self.is_stopped.set(true);
        self.task.await;
    }
}
