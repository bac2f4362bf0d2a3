//! The bounded queue behind channels and inboxes.

#[cfg(all(test, loom))]
mod loom_tests;
mod reader;
mod state;
mod stats;
mod wait_queue;

pub(crate) use reader::Batch;
pub(crate) use state::{QueueEnd, Weighted};
pub use stats::{Amount, Stats};
pub(crate) use wait_queue::WaitTicket;

use crate::{
    BoxError, Clock, Overflow,
    sync::{
        Arc, AtomicBool, AtomicU64, AtomicUsize, CachePadded, Mutex, MutexGuard, Ordering, fence,
        lock,
    },
};
use state::State;
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::Duration,
};
use wait_queue::{WaitOutcome, Wakers, wake};

/// A bounded queue with any number of senders and one reader.
///
/// The reader takes all queued items out as one [`Batch`], so that it and the senders
/// rarely contend for the lock. Items of the batch that are not read yet still count as
/// queued, so the bound is exact.
///
/// Fields written by senders, fields written by the reader and fields that are only
/// read are on separate cache lines to avoid false sharing.
///
/// No user code runs under the lock. Items are weighed and the clock is read before the
/// lock is taken. Wakers are cloned, woken and dropped, and items are dropped, after it
/// is released; wakers come first.
pub(crate) struct BoundedQueue<I> {
    marks: Marks,
    overflow: Overflow,
    clock: Option<Arc<dyn Clock>>,
    /// Set while a sleeping waiter needs room. The reader checks it without the lock.
    wants_room: AtomicBool,
    is_aborted: AtomicBool,
    has_ended: AtomicBool,
    guarded: CachePadded<Guarded<I>>,
    reader: CachePadded<ReaderProgress>,
}

/// The high-water mark, from which on there is no room, and the low-water mark, to
/// which a full queue drains before it wakes waiters.
#[derive(Clone, Copy)]
pub(crate) struct Marks {
    pub(crate) high: usize,
    pub(crate) low: usize,
}

/// The locked state, and figures derived from it that are read without the lock.
struct Guarded<I> {
    state: Mutex<State<I>>,
    /// Total number of items sent and not dropped.
    kept: AtomicU64,
    /// Weight of the items outside the reader's batch, plus one for each permit.
    level: AtomicUsize,
}

/// The reader's progress. Only the reader writes it.
#[derive(Default)]
struct ReaderProgress {
    /// Total number of items read.
    read: AtomicU64,
    /// Weight of the unread items in its batch.
    unread: AtomicUsize,
}

/// The result of an attempt to send an item.
pub(crate) enum SendAttempt<I> {
    /// The item was queued, or dropped as the overflow policy demands.
    Sent,
    /// There is no room, and the sender may wait.
    NoRoom(I),
    /// There is no room, and the overflow policy rejects the item.
    Full(I),
    /// The queue is closed.
    Closed(I),
}

/// The remains of an aborted queue, to be dropped without the lock: the earlier end
/// and all queued items.
pub(crate) type Leftovers<I> = (Option<QueueEnd>, VecDeque<I>);

/// Divisor of the high-water mark that caps a waiter's weight when several are woken at
/// once: a heavy waiter may never be polled again, and the others should not wait for it.
const WAITER_SHARE: usize = 16;

impl<I: Weighted> BoundedQueue<I> {
    pub(crate) fn new(marks: Marks, overflow: Overflow, clock: Option<Arc<dyn Clock>>) -> Self {
        BoundedQueue {
            marks,
            overflow,
            clock,
            wants_room: AtomicBool::new(false),
            is_aborted: AtomicBool::new(false),
            has_ended: AtomicBool::new(false),
            guarded: CachePadded::new(Guarded {
                state: Mutex::new(State::new()),
                kept: AtomicU64::new(0),
                level: AtomicUsize::new(0),
            }),
            reader: CachePadded::default(),
        }
    }

    pub(crate) fn high_water_mark(&self) -> usize {
        self.marks.high
    }

    pub(crate) fn overflow(&self) -> Overflow {
        self.overflow
    }

    /// Queues an item, or applies the overflow policy if there is no room.
    #[inline]
    pub(crate) fn send(&self, item: I, may_wait: bool) -> SendAttempt<I> {
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            return SendAttempt::Closed(item);
        }
        let is_admitted = if self.overflow == Overflow::Wait {
            self.admits(&mut state, item.weight())
        } else {
            self.has_room(&mut state)
        };
        if is_admitted {
            let reader = self.push(&mut state, item);
            drop(state);
            wake(reader);
            return SendAttempt::Sent;
        }
        match self.overflow {
            Overflow::Wait if may_wait => SendAttempt::NoRoom(item),
            Overflow::Wait | Overflow::Fail => {
                state.rejected += Amount::one(item.weight());
                SendAttempt::Full(item)
            }
            Overflow::DropNewest => {
                state.dropped += Amount::one(item.weight());
                drop(state);
                drop(item);
                SendAttempt::Sent
            }
            Overflow::DropOldest | Overflow::Latest => {
                self.send_dropping(state, item);
                SendAttempt::Sent
            }
        }
    }

    /// Drops queued items to make room for this one.
    #[inline]
    fn send_dropping(&self, mut state: MutexGuard<'_, State<I>>, item: I) {
        let weight = item.weight();
        let drops_one = self.overflow == Overflow::DropOldest || state.items.len() == 1;
        let is_replaced = |oldest: &I| drops_one && oldest.weight() == weight;
        if !state.items.front().is_some_and(is_replaced)
            || state.total().saturating_sub(weight) >= self.marks.high
        {
            return self.make_room(state, item);
        }
        // It weighs as much as the one it replaces, so there is no room for a waiter.
        let oldest = state.items.pop_front();
        state.items.push_back(item);
        state.dropped += Amount::one(weight);
        drop(state);
        drop(oldest);
    }

    #[inline(never)]
    fn make_room(&self, mut state: MutexGuard<'_, State<I>>, item: I) {
        let mut dropped = VecDeque::new();
        if self.overflow == Overflow::Latest {
            dropped = state.take_all();
            state.items.reserve(dropped.len());
        } else {
            while !state.items.is_empty() && state.total() >= self.marks.high {
                dropped.extend(state.take_oldest());
            }
        }
        let mut wakers = Wakers::default();
        if state.total() < self.marks.high {
            wakers.extend(self.push(&mut state, item));
        } else {
            // Permits hold every slot.
            state.dropped += Amount::one(item.weight());
            self.publish(&state);
            dropped.push_back(item);
        }
        self.wake_next(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
        drop(dropped);
    }

    /// Queues an item whether there is room or not. Returns whether there is room for
    /// another one. Returns the item if the queue has ended.
    pub(crate) fn force(&self, item: I) -> Result<bool, I> {
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            return Err(item);
        }
        let reader = self.push(&mut state, item);
        let has_room = self.has_room(&mut state);
        drop(state);
        wake(reader);
        Ok(has_room)
    }

    /// Queues the item in `slot` once there is room for it, or returns it if the queue
    /// has ended. `slot` is empty when this returns ready.
    pub(crate) fn poll_send(
        &self,
        ticket: &mut WaitTicket,
        slot: &mut Option<I>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), I>> {
        let weight = slot.as_ref().map_or(0, Weighted::weight);
        let proceed = |state: &mut State<I>, wakers: &mut Wakers| {
            if let Some(item) = slot.take() {
                if state.end.is_some() {
                    return Err(item);
                }
                wakers.extend(self.push(state, item));
            }
            Ok(())
        };
        let can_proceed =
            |state: &mut State<I>, ticket: &WaitTicket| self.may_proceed(state, ticket, weight);
        // The first attempt has found no room, so it will most likely have to wait.
        let own = (!ticket.is_held()).then(|| context.waker().clone());
        self.poll_wait(ticket, weight, own, context, can_proceed, proceed)
    }

    /// Waits until a full queue has drained to the low-water mark. Returns `false` if it
    /// has ended.
    pub(crate) fn poll_ready(
        &self,
        ticket: &mut WaitTicket,
        context: &mut Context<'_>,
    ) -> Poll<bool> {
        let can_proceed = |state: &mut State<I>, ticket: &WaitTicket| {
            let is_admitted = state.waiters.is_woken(ticket) || state.waiters.is_first(ticket);
            is_admitted && self.is_open(state) && self.has_room(state)
        };
        let is_open = |state: &mut State<I>, _: &mut Wakers| state.end.is_none();
        self.poll_wait(ticket, 1, None, context, can_proceed, is_open)
    }

    /// Waits for a slot and reserves it. Returns `false` if the queue has ended.
    pub(crate) fn poll_reserve(
        &self,
        ticket: &mut WaitTicket,
        context: &mut Context<'_>,
    ) -> Poll<bool> {
        let can_proceed =
            |state: &mut State<I>, ticket: &WaitTicket| self.may_proceed(state, ticket, 1);
        self.poll_wait(ticket, 1, None, context, can_proceed, |state, _| {
            if state.end.is_none() {
                self.reserve(state);
            }
            state.end.is_none()
        })
    }

    /// Reserves a slot without waiting.
    pub(crate) fn try_reserve(&self) -> SendAttempt<()> {
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            return SendAttempt::Closed(());
        }
        if !self.admits(&mut state, 1) {
            return SendAttempt::Full(());
        }
        self.reserve(&mut state);
        SendAttempt::Sent
    }

    /// Queues an item in a reserved slot. Returns it if the queue has ended.
    pub(crate) fn send_reserved(&self, item: I) -> Result<(), I> {
        let mut wakers = Wakers::default();
        let mut state = lock(&self.guarded.state);
        state.permits -= 1;
        let sent = if state.end.is_some() {
            self.publish(&state);
            Err(item)
        } else {
            wakers.extend(self.push(&mut state, item));
            Ok(())
        };
        // The item may weigh less than the permit.
        self.wake_next(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
        sent
    }

    /// Releases a reserved slot.
    pub(crate) fn release(&self) {
        let mut wakers = Wakers::default();
        let mut state = lock(&self.guarded.state);
        state.permits -= 1;
        self.publish(&state);
        // Wakes regardless of the low-water mark: no read would do so for this slot.
        self.wake_waiters(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
    }

    /// Removes a waiter, if the ticket is held, and wakes the next one if there is room.
    #[inline]
    pub(crate) fn cancel_wait(&self, ticket: &mut WaitTicket) {
        if ticket.is_held() {
            self.remove_waiter(ticket);
        }
    }

    fn remove_waiter(&self, ticket: &mut WaitTicket) {
        let now = self.now();
        let mut wakers = Wakers::default();
        let mut state = lock(&self.guarded.state);
        let left = state.waiters.remove(ticket);
        if state.waiters.is_empty() {
            state.stall.end(now);
        }
        self.wake_next(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
        drop(left);
    }

    /// Waits until the queue has ended.
    pub(crate) fn poll_closed(
        &self,
        ticket: &mut WaitTicket,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut own = None;
        loop {
            let mut state = lock(&self.guarded.state);
            if state.end.is_some() {
                let left = state.end_waiters.remove(ticket);
                drop(state);
                drop(left);
                return Poll::Ready(());
            }
            let waker = context.waker();
            let outcome = state.end_waiters.wait(ticket, waker, &mut own, 0);
            drop(state);
            match outcome {
                WaitOutcome::Waiting(_before) => return Poll::Pending,
                WaitOutcome::NeedsWaker => own = Some(waker.clone()),
            }
        }
    }

    /// Removes a task that waits for the end, if the ticket is held.
    pub(crate) fn cancel_closed(&self, ticket: &mut WaitTicket) {
        if ticket.is_held() {
            let left = lock(&self.guarded.state).end_waiters.remove(ticket);
            drop(left);
        }
    }

    /// Returns whether the queue was aborted, so that the reader has to drop its batch.
    fn is_aborted(&self) -> bool {
        self.is_aborted.load(Ordering::Acquire)
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    pub(crate) fn close(&self) -> bool {
        self.end(QueueEnd::Closed)
    }

    pub(crate) fn fail(&self, error: BoxError) -> bool {
        self.end(QueueEnd::Failed(error))
    }

    /// Ends the queue, even if it was closed or failed before, wakes all waiters and
    /// returns the queued items. Returns `None` if it was already aborted.
    pub(crate) fn abort(&self) -> Option<Leftovers<I>> {
        let mut state = lock(&self.guarded.state);
        if self.is_aborted() {
            return None;
        }
        let before = state.end.replace(QueueEnd::Aborted);
        self.is_aborted.store(true, Ordering::Release);
        self.has_ended.store(true, Ordering::Release);
        let items = state.take_all();
        self.publish(&state);
        let wakers = state.take_wakers();
        drop(state);
        wakers.wake();
        Some((before, items))
    }

    /// Ends the queue and wakes all waiters, unless it has already ended.
    fn end(&self, end: QueueEnd) -> bool {
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            drop(state);
            drop(end);
            return false;
        }
        state.end = Some(end);
        self.has_ended.store(true, Ordering::Release);
        let wakers = state.take_wakers();
        drop(state);
        wakers.wake();
        true
    }

    pub(crate) fn stats(&self) -> Stats {
        let now = self.now();
        let state = lock(&self.guarded.state);
        let read = self.reader.read.load(Ordering::Relaxed);
        let unread = self.reader.unread.load(Ordering::Acquire);
        let unread = Amount {
            items: state.taken.items.saturating_sub(read),
            weight: unread as u64,
        };
        let received = state.taken.minus(unread);
        let mut queued = Amount::new(state.items.len(), state.weight);
        queued += unread;
        // Not counted by each send, because it follows from the others.
        let mut sent = queued;
        sent += received;
        sent += state.dropped;
        Stats {
            sent,
            received,
            dropped: state.dropped,
            rejected: state.rejected,
            queued,
            peak: state.peak,
            waiting: state.waiters.len(),
            stalled: now.map(|now| state.stall.so_far(Some(now))),
        }
    }

    /// Returns the number of queued items, without the lock.
    pub(crate) fn len(&self) -> usize {
        let mut read = self.reader.read.load(Ordering::Acquire);
        loop {
            let kept = self.guarded.kept.load(Ordering::Acquire);
            let now = self.reader.read.load(Ordering::Acquire);
            // The two figures belong together if nothing was read in between.
            if read == now || kept < now {
                return usize::try_from(kept.saturating_sub(now)).unwrap_or(usize::MAX);
            }
            read = now;
        }
    }

    /// Returns whether there is no room, without the lock.
    pub(crate) fn is_full(&self) -> bool {
        let unread = self.reader.unread.load(Ordering::Acquire);
        let level = self.guarded.level.load(Ordering::Acquire);
        unread.saturating_add(level) >= self.marks.high
    }

    /// Waits until `can_proceed` returns `true` or the queue has ended, then calls
    /// `proceed`. `own` is a clone of the waker, if one is likely to be needed.
    #[inline]
    fn poll_wait<O>(
        &self,
        ticket: &mut WaitTicket,
        weight: usize,
        mut own: Option<Waker>,
        context: &mut Context<'_>,
        can_proceed: impl Fn(&mut State<I>, &WaitTicket) -> bool,
        proceed: impl FnOnce(&mut State<I>, &mut Wakers) -> O,
    ) -> Poll<O> {
        let now = self.now();
        let mut wakers = Wakers::default();
        let mut state = loop {
            let mut state = lock(&self.guarded.state);
            // Stored before the check: either the check sees the latest read, or the
            // reader sees this flag.
            self.wants_room.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if state.end.is_some() || can_proceed(&mut state, ticket) {
                break state;
            }
            let waker = context.waker();
            let outcome = state.waiters.wait(ticket, waker, &mut own, weight);
            if let WaitOutcome::Waiting(_) = outcome {
                state.stall.begin(now);
            }
            drop(state);
            match outcome {
                WaitOutcome::Waiting(_before) => return Poll::Pending,
                WaitOutcome::NeedsWaker => own = Some(waker.clone()),
            }
        };
        let output = proceed(&mut state, &mut wakers);
        let left = state.waiters.remove(ticket);
        if state.waiters.is_empty() {
            state.stall.end(now);
        }
        self.wake_next(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
        drop((left, own));
        Poll::Ready(output)
    }

    /// Returns whether a waiter, or a sender without a ticket, may send now.
    fn may_proceed(&self, state: &mut State<I>, ticket: &WaitTicket, weight: usize) -> bool {
        if !ticket.is_held() {
            self.admits(state, weight)
        } else if state.waiters.is_woken(ticket) {
            self.has_room(state)
        } else {
            state.waiters.is_first(ticket) && self.fits(state, weight)
        }
    }

    /// Returns whether a new item may be queued. It must not overtake a sleeping waiter
    /// and must leave the slots that are reserved for woken ones.
    #[inline]
    fn admits(&self, state: &mut State<I>, weight: usize) -> bool {
        if state.waiters.has_sleeper() || !self.has_room(state) {
            return false;
        }
        if state.waiters.reserved() == 0 {
            return true;
        }
        // On an empty queue, waiters that are not polled must not block
        // all others. A waiter that loses its slot this way does not lose another.
        self.fits(state, weight) || state.total() == 0 && !state.waiters.is_firm()
    }

    /// Returns whether there is room for an item besides the reserved slots.
    fn fits(&self, state: &mut State<I>, weight: usize) -> bool {
        if !self.has_room(state) {
            return false;
        }
        let reserved = state.waiters.reserved();
        if reserved == 0 {
            return true;
        }
        state.batch_weight = self.reader.unread.load(Ordering::Acquire);
        let occupied = state.total().saturating_add(reserved);
        occupied.saturating_add(weight) <= self.marks.high
    }

    fn has_room(&self, state: &mut State<I>) -> bool {
        if state.total() < self.marks.high {
            return true;
        }
        // Loaded only when needed: the cache line belongs to the reader.
        let unread = self.reader.unread.load(Ordering::Acquire);
        let has_read = unread < state.batch_weight;
        state.batch_weight = unread;
        has_read && state.total() < self.marks.high
    }

    /// Returns whether the queue has drained to the low-water mark since it was last full.
    fn is_open(&self, state: &mut State<I>) -> bool {
        if !state.is_open {
            self.open_if_drained(state);
        }
        state.is_open
    }

    #[inline(never)]
    fn open_if_drained(&self, state: &mut State<I>) {
        state.is_open = self.has_drained(state);
    }

    #[inline(never)]
    fn close_if_full(&self, state: &mut State<I>) {
        if self.marks.low + 1 < self.marks.high && !self.has_room(state) {
            state.is_open = false;
        }
    }

    fn has_drained(&self, state: &mut State<I>) -> bool {
        state.batch_weight = self.reader.unread.load(Ordering::Acquire);
        // Permits do not drain, so an empty queue counts as drained.
        let is_drained = state.queued() == 0 && state.permits < self.marks.high;
        is_drained || state.total() <= self.marks.low
    }

    /// Queues an item. Returns the reader's waker, to be woken without the lock.
    #[inline]
    fn push(&self, state: &mut State<I>, item: I) -> Option<Waker> {
        // The level is lowest just before a push: check whether it has drained.
        self.is_open(state);
        let weight = item.weight();
        state.items.push_back(item);
        state.weight = state.weight.saturating_add(weight);
        self.publish(state);
        let queued = state.queued();
        if queued > state.peak {
            self.raise_peak(state);
        }
        if queued.saturating_add(state.permits) >= self.marks.high {
            self.close_if_full(state);
        }
        state.reader.take()
    }

    #[inline(never)]
    fn raise_peak(&self, state: &mut State<I>) {
        state.batch_weight = self.reader.unread.load(Ordering::Acquire);
        state.peak = state.peak.max(state.queued());
    }

    fn reserve(&self, state: &mut State<I>) {
        self.is_open(state);
        state.permits += 1;
        self.publish(state);
        self.close_if_full(state);
    }

    /// Wakes the next waiter after a sender, if the queue has drained since it was full.
    fn wake_next(&self, state: &mut State<I>, wakers: &mut Wakers) {
        if self.wants_room(state) && self.is_open(state) {
            self.wake_waiters(state, wakers);
        }
    }

    /// Returns whether a waiter is asleep. Stores the flag before the caller checks for
    /// room, in the same order as a new waiter does.
    fn wants_room(&self, state: &State<I>) -> bool {
        let has_sleeper = state.waiters.has_sleeper();
        self.wants_room.store(has_sleeper, Ordering::Relaxed);
        if has_sleeper {
            fence(Ordering::SeqCst);
        }
        has_sleeper
    }

    /// Wakes the first sleeping waiter if a slot can be reserved for it. That waiter
    /// wakes the next one when it proceeds, and so does the reader with each read. If
    /// nothing is queued, wakes as many as there is room for.
    fn wake_waiters(&self, state: &mut State<I>, wakers: &mut Wakers) {
        let high = self.marks.high;
        state.batch_weight = self.reader.unread.load(Ordering::Acquire);
        let (total, is_empty) = (state.total(), state.queued() == 0);
        let mut claimed = total;
        while claimed < high && total.saturating_add(state.waiters.reserved()) < high {
            let Some((waker, weight)) = state.waiters.wake_first() else {
                break;
            };
            wakers.push(waker);
            if !is_empty {
                break;
            }
            claimed = claimed.saturating_add(weight.clamp(1, high.div_ceil(WAITER_SHARE)));
        }
        let has_sleeper = state.waiters.has_sleeper();
        self.wants_room.store(has_sleeper, Ordering::Relaxed);
    }

    /// Updates the figures that are read without the lock.
    fn publish(&self, state: &State<I>) {
        let kept = state.taken.items + state.items.len() as u64;
        self.guarded.kept.store(kept, Ordering::Release);
        let level = state.weight.saturating_add(state.permits);
        self.guarded.level.store(level, Ordering::Release);
    }

    fn now(&self) -> Option<Duration> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}
