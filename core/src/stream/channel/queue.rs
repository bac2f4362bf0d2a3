//! The queue that a channel's senders and receiver share.

use crate::{
    Clock, Overflow,
    bounded_queue::{BoundedQueue, Marks, Weighted},
    stream::Bound,
    sync::{Arc, AtomicUsize, Ordering},
};
use std::ops::Deref;

/// A [`BoundedQueue`] with a [`Bound`] that weighs its items, and a count of its
/// senders.
pub(super) struct ChannelQueue<T> {
    queue: BoundedQueue<QueuedItem<T>>,
    bound: Bound<T>,
    senders: AtomicUsize,
}

/// An item and its weight, which is determined once.
pub(super) struct QueuedItem<T> {
    pub(super) value: T,
    weight: usize,
}

impl<T> ChannelQueue<T> {
    pub(super) fn new(bound: Bound<T>, overflow: Overflow, clock: Option<Arc<dyn Clock>>) -> Self {
        let marks = Marks {
            high: bound.high_water_mark(),
            low: bound.low_water_mark(),
        };
        ChannelQueue {
            queue: BoundedQueue::new(marks, overflow, clock),
            bound,
            senders: AtomicUsize::new(1),
        }
    }

    pub(super) fn bound(&self) -> &Bound<T> {
        &self.bound
    }

    pub(super) fn weigh(&self, value: T) -> QueuedItem<T> {
        let weight = self.bound.weight_of(&value);
        QueuedItem { value, weight }
    }

    pub(super) fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_sender(&self) {
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }
}

impl<T> Deref for ChannelQueue<T> {
    type Target = BoundedQueue<QueuedItem<T>>;

    fn deref(&self) -> &Self::Target {
        &self.queue
    }
}

impl<T> Weighted for QueuedItem<T> {
    fn weight(&self) -> usize {
        self.weight
    }
}
