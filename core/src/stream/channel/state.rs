//! What a channel's lock guards.

use crate::{
    BoxError,
    stream::Amount,
    wait_queue::{WaitQueue, Wakers},
};
use std::{collections::VecDeque, task::Waker, time::Duration};

pub(super) struct Entry<T> {
    pub(super) value: T,
    pub(super) weight: usize,
}

pub(super) struct State<T> {
    pub(super) entries: VecDeque<Entry<T>>,
    pub(super) weight: usize,
    /// The weight of the reader's batch when it was last looked at: no less
    /// than what is unread.
    pub(super) lent: usize,
    /// The number of places that permits hold.
    pub(super) held: usize,
    /// Whether the queue has been at the low mark since it was at the high one.
    pub(super) is_open: bool,
    pub(super) end: Option<End>,
    pub(super) reader: Option<Waker>,
    pub(super) line: WaitQueue,
    /// The waiters for the end.
    pub(super) closing: WaitQueue,
    pub(super) stall: Stall,
    pub(super) sent: Amount,
    pub(super) lent_ever: Amount,
    pub(super) dropped: Amount,
    pub(super) refused: Amount,
    pub(super) peak: usize,
}

/// What the reader finds behind the last item.
pub(super) enum End {
    Closed,
    Failed(BoxError),
    Aborted,
}

/// The time that somebody was in the line.
#[derive(Default)]
pub(super) struct Stall {
    passed: Duration,
    /// When the first in an empty line began to wait.
    since: Option<Duration>,
}

impl<T> State<T> {
    pub(super) fn new() -> Self {
        State {
            entries: VecDeque::new(),
            weight: 0,
            lent: 0,
            held: 0,
            is_open: true,
            end: None,
            reader: None,
            line: WaitQueue::default(),
            closing: WaitQueue::default(),
            stall: Stall::default(),
            sent: Amount::default(),
            lent_ever: Amount::default(),
            dropped: Amount::default(),
            refused: Amount::default(),
            peak: 0,
        }
    }

    /// The weight of what is queued.
    pub(super) fn queued(&self) -> usize {
        self.weight.saturating_add(self.lent)
    }

    /// The weight of what is queued, with the places that permits hold.
    pub(super) fn total(&self) -> usize {
        self.queued().saturating_add(self.held)
    }

    pub(super) fn take_first(&mut self) -> Option<Entry<T>> {
        let first = self.entries.pop_front()?;
        self.weight = self.weight.saturating_sub(first.weight);
        Some(first)
    }

    pub(super) fn take_oldest(&mut self) -> Option<Entry<T>> {
        let oldest = self.take_first()?;
        self.dropped += Amount::one(oldest.weight);
        Some(oldest)
    }

    pub(super) fn take_all(&mut self) -> VecDeque<Entry<T>> {
        self.dropped += Amount::new(self.entries.len(), std::mem::take(&mut self.weight));
        std::mem::take(&mut self.entries)
    }

    /// Everybody there is, to be woken without the lock.
    pub(super) fn everybody(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        wakers.extend(self.reader.take());
        self.line.wake_all(&mut wakers);
        self.closing.wake_all(&mut wakers);
        wakers
    }
}

impl Stall {
    pub(super) fn begin(&mut self, now: Option<Duration>) {
        self.since = self.since.or(now);
    }

    pub(super) fn end(&mut self, now: Option<Duration>) {
        self.passed = self.so_far(now);
        self.since = None;
    }

    pub(super) fn so_far(&self, now: Option<Duration>) -> Duration {
        let (Some(since), Some(now)) = (self.since, now) else {
            return self.passed;
        };
        self.passed + now.saturating_sub(since)
    }
}
