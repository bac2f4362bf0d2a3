//! The part of a queue that its lock guards.

use super::{
    stats::Amount,
    wait_queue::{WaitQueue, Wakers},
};
use crate::BoxError;
use std::{collections::VecDeque, task::Waker, time::Duration};

/// An item of a queue.
pub(crate) trait Weighted {
    /// Returns the share of the high-water mark that the item takes up. Called under the
    /// lock.
    fn weight(&self) -> usize;
}

/// The end of a queue, which the reader finds behind the last item.
pub(crate) enum QueueEnd {
    Closed,
    Failed(BoxError),
    Aborted,
}

/// Items, waiters and counters of a queue.
pub(super) struct State<I> {
    pub(super) items: VecDeque<I>,
    /// Total weight of `items`.
    pub(super) weight: usize,
    /// Weight of the reader's batch when it was last loaded: an upper bound on the
    /// weight of its unread items.
    pub(super) batch_weight: usize,
    /// Number of slots reserved by permits.
    pub(super) permits: usize,
    /// `false` from reaching the high-water mark until the queue has drained to the
    /// low-water mark. Always `true` if the marks are one item apart, since the queue
    /// has then drained whenever it has room.
    pub(super) is_open: bool,
    pub(super) end: Option<QueueEnd>,
    pub(super) reader: Option<Waker>,
    /// Senders waiting for room.
    pub(super) waiters: WaitQueue,
    /// Tasks waiting for the end.
    pub(super) end_waiters: WaitQueue,
    pub(super) stall: StallClock,
    /// Total amount taken out by the reader.
    pub(super) taken: Amount,
    pub(super) dropped: Amount,
    pub(super) rejected: Amount,
    pub(super) peak: usize,
}

/// Measures the time during which at least one sender waits.
#[derive(Default)]
pub(super) struct StallClock {
    passed: Duration,
    /// Start of the current stall.
    since: Option<Duration>,
}

impl<I: Weighted> State<I> {
    pub(super) fn new() -> Self {
        State {
            items: VecDeque::new(),
            weight: 0,
            batch_weight: 0,
            permits: 0,
            is_open: true,
            end: None,
            reader: None,
            waiters: WaitQueue::default(),
            end_waiters: WaitQueue::default(),
            stall: StallClock::default(),
            taken: Amount::default(),
            dropped: Amount::default(),
            rejected: Amount::default(),
            peak: 0,
        }
    }

    /// Returns the weight of the queued items, the reader's batch included.
    pub(super) fn queued(&self) -> usize {
        self.weight.saturating_add(self.batch_weight)
    }

    /// Returns the weight of the queued items plus the permits.
    pub(super) fn total(&self) -> usize {
        self.queued().saturating_add(self.permits)
    }

    pub(super) fn take_first(&mut self) -> Option<I> {
        let first = self.items.pop_front()?;
        self.weight = self.weight.saturating_sub(first.weight());
        Some(first)
    }

    pub(super) fn take_oldest(&mut self) -> Option<I> {
        let oldest = self.take_first()?;
        self.dropped += Amount::one(oldest.weight());
        Some(oldest)
    }

    pub(super) fn take_all(&mut self) -> VecDeque<I> {
        self.dropped += Amount::new(self.items.len(), std::mem::take(&mut self.weight));
        std::mem::take(&mut self.items)
    }

    /// Takes the wakers of the reader and of all waiters, to be woken without the lock.
    pub(super) fn take_wakers(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        wakers.extend(self.reader.take());
        self.waiters.wake_all(&mut wakers);
        self.end_waiters.wake_all(&mut wakers);
        wakers
    }
}

impl StallClock {
    pub(super) fn begin(&mut self, now: Option<Duration>) {
        if self.since.is_none() {
            self.since = now;
        }
    }

    pub(super) fn end(&mut self, now: Option<Duration>) {
        if self.since.is_some() {
            self.passed = self.so_far(now);
            self.since = None;
        }
    }

    pub(super) fn so_far(&self, now: Option<Duration>) -> Duration {
        let (Some(since), Some(now)) = (self.since, now) else {
            return self.passed;
        };
        self.passed + now.saturating_sub(since)
    }
}
