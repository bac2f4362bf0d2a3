//! The queue between source and destination, with its level recorded.

use super::names::BUFFER;
use crate::{
    scenario::Context,
    stream::{Bound, Receiver, Sender, channel},
    trace::{NameId, RecordKind, Recorder},
};
use std::{cell::Cell, rc::Rc};

/// A numbered chunk of bytes.
pub(super) type Chunk = (u64, Vec<u8>);

/// Records the channel's level and its dropped chunks.
#[derive(Clone)]
pub(super) struct RecordedQueue {
    id: NameId,
    trace: Recorder,
    dropped_count: Rc<Cell<u64>>,
    level: Rc<Cell<Option<u64>>>,
}

impl RecordedQueue {
    /// Opens the channel. Returns both ends, each paired with a recorder.
    pub(super) fn open(
        context: &Context,
    ) -> (
        (Sender<Chunk>, RecordedQueue),
        (Receiver<Chunk>, RecordedQueue),
    ) {
        let params = &context.params;
        let high_water_mark = params.kibibytes("mark");
        // Only bytes count towards the mark.
        let bound = Bound::weight(high_water_mark, |chunk: &Chunk| chunk.1.len());
        let bound = bound.expect("the parameter's minimum is 1");
        let (sender, receiver) = channel(bound, params.overflow());
        let queue = RecordedQueue {
            id: context.trace.name(BUFFER),
            trace: context.trace.clone(),
            dropped_count: Rc::default(),
            level: Rc::default(),
        };
        queue
            .trace
            .instant(RecordKind::Mark, queue.id, high_water_mark as u64);
        ((sender, queue.clone()), (receiver, queue))
    }

    pub(super) fn id(&self) -> NameId {
        self.id
    }

    /// Records all changes since the last call.
    pub(super) fn record_changes(&self, stats: &crate::stream::Stats) {
        let dropped = stats.dropped.items;
        let dropped_count = dropped - self.dropped_count.replace(dropped);
        if dropped_count > 0 {
            self.trace.instant(RecordKind::Drop, self.id, dropped_count);
        }
        let level = stats.queued.weight;
        if self.level.replace(Some(level)) != Some(level) {
            self.trace.instant(RecordKind::Level, self.id, level);
        }
    }
}
