//! The reading end of a bounded queue.

use super::{
    BoundedQueue,
    state::{QueueEnd, State, Weighted},
    stats::Amount,
    wait_queue::Wakers,
};
use crate::{
    Overflow,
    sync::{Ordering, fence, lock},
};
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

/// Items that the reader has taken out, to be read without the lock.
pub(crate) struct Batch<I> {
    items: VecDeque<I>,
    weight: usize,
}

impl<I> Batch<I> {
    /// Takes out the first item, which is there. Called last, since a waker may panic,
    /// which must not lose the item.
    #[inline]
    fn take_first(&mut self) -> Poll<Result<I, QueueEnd>> {
        let first = self.items.pop_front();
        first.map_or(Poll::Pending, |first| Poll::Ready(Ok(first)))
    }
}

impl<I: Weighted> BoundedQueue<I> {
    /// Reads the next item. Without a context it registers no waker. Returns the end
    /// once, and [`QueueEnd::Closed`] from then on.
    #[inline]
    pub(crate) fn poll_read(
        &self,
        batch: &mut Batch<I>,
        context: Option<&Context<'_>>,
    ) -> Poll<Result<I, QueueEnd>> {
        if self.is_aborted() {
            self.discard(batch);
        }
        if let Some(first) = batch.items.front() {
            batch.weight = batch.weight.saturating_sub(first.weight());
            self.record_read(1, batch.weight);
            return batch.take_first();
        }
        self.poll_batch(batch, context, true)
    }

    /// Moves items to the empty batch and reads the first of them. Without `may_end` it
    /// leaves the end for a later call.
    #[inline(never)]
    fn poll_batch(
        &self,
        batch: &mut Batch<I>,
        context: Option<&Context<'_>>,
        may_end: bool,
    ) -> Poll<Result<I, QueueEnd>> {
        let mut own = None;
        loop {
            let mut state = lock(&self.guarded.state);
            if self.take_batch(&mut state, batch) {
                let mut wakers = Wakers::default();
                self.wake_drained(&mut state, &mut wakers);
                // The reader is awake, so its waker is stale.
                let before = state.reader.take();
                drop(state);
                wakers.wake();
                drop(before);
                return batch.take_first();
            }
            if may_end && state.end.is_some() {
                let end = state.end.replace(QueueEnd::Closed);
                return Poll::Ready(Err(end.unwrap_or(QueueEnd::Closed)));
            }
            let Some(waker) = context.map(Context::waker) else {
                return Poll::Pending;
            };
            let is_registered = |reader: &Waker| reader.will_wake(waker);
            if state.reader.as_ref().is_some_and(is_registered) {
                return Poll::Pending;
            }
            if let Some(own) = own.take() {
                let before = state.reader.replace(own);
                drop(state);
                drop(before);
                return Poll::Pending;
            }
            drop(state);
            own = Some(waker.clone());
        }
    }

    /// Passes up to `limit` queued items to `read`. Leaves the end for
    /// [`poll_read`](Self::poll_read). Returns the number of items.
    pub(crate) fn read_queued(
        &self,
        batch: &mut Batch<I>,
        limit: usize,
        mut read: impl FnMut(I),
    ) -> usize {
        let mut count = 0;
        while count < limit && !self.is_aborted() {
            if batch.items.is_empty() {
                let Poll::Ready(Ok(first)) = self.poll_batch(batch, None, false) else {
                    break;
                };
                read(first);
                count += 1;
            }
            let more = batch.items.len().min(limit - count);
            let mut weight = 0_usize;
            for item in batch.items.drain(..more) {
                weight = weight.saturating_add(item.weight());
                read(item);
            }
            count += more;
            batch.weight = batch.weight.saturating_sub(weight);
            if more > 0 {
                self.record_read(more, batch.weight);
            }
        }
        count
    }

    /// Records that the reader has read `items` of its batch. The rest weighs `others`.
    #[inline]
    fn record_read(&self, items: usize, others: usize) {
        let read = self.reader.read.load(Ordering::Relaxed);
        self.reader
            .read
            .store(read + items as u64, Ordering::Relaxed);
        self.reader.unread.store(others, Ordering::Release);
        // Above the low-water mark no waiter is woken, whatever else is queued.
        if others > self.marks.low {
            return;
        }
        fence(Ordering::SeqCst);
        if self.wants_room.load(Ordering::Relaxed) {
            self.wake_after_read();
        }
    }

    #[cold]
    fn wake_after_read(&self) {
        let mut wakers = Wakers::default();
        self.wake_drained(&mut lock(&self.guarded.state), &mut wakers);
        wakers.wake();
    }

    /// Drops the batch and counts its items as dropped.
    pub(crate) fn discard(&self, batch: &mut Batch<I>) {
        if batch.items.is_empty() {
            return;
        }
        let amount = Amount::new(batch.items.len(), batch.weight);
        let mut state = lock(&self.guarded.state);
        self.reader.unread.store(0, Ordering::Release);
        state.batch_weight = 0;
        state.taken = state.taken.minus(amount);
        state.dropped += amount;
        self.publish(&state);
        drop(state);
        batch.items.clear();
    }

    /// Moves items to the empty batch and counts the first as read. Returns whether there
    /// was one.
    fn take_batch(&self, state: &mut State<I>, batch: &mut Batch<I>) -> bool {
        if state.items.is_empty() {
            return false;
        }
        let (items, weight) = match self.overflow {
            // The other items stay in the queue, where a new item can replace them.
            Overflow::DropOldest | Overflow::Latest => {
                batch.items.extend(state.take_first());
                (1, batch.items.front().map_or(0, Weighted::weight))
            }
            _ => {
                std::mem::swap(&mut batch.items, &mut state.items);
                (batch.items.len(), std::mem::take(&mut state.weight))
            }
        };
        let others = weight.saturating_sub(batch.items.front().map_or(0, Weighted::weight));
        batch.weight = others;
        state.batch_weight = others;
        state.taken += Amount::new(items, weight);
        self.publish(state);
        let read = self.reader.read.load(Ordering::Relaxed);
        self.reader.read.store(read + 1, Ordering::Release);
        self.reader.unread.store(others, Ordering::Release);
        true
    }

    /// Wakes the next waiter after a read, if the queue has drained.
    fn wake_drained(&self, state: &mut State<I>, wakers: &mut Wakers) {
        if self.wants_room(state) && self.has_drained(state) {
            state.is_open = true;
            self.wake_waiters(state, wakers);
        }
    }
}

impl<I> Default for Batch<I> {
    fn default() -> Self {
        Batch {
            items: VecDeque::new(),
            weight: 0,
        }
    }
}

impl<I> Batch<I> {
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }
}
