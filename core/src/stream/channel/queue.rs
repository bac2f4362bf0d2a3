//! The queue that a channel's senders and receiver share.

use super::{SendError, StreamError};
use crate::{
    BoxError, Clock, Overflow,
    stream::{Amount, Bound, Stats},
    sync::{Arc, AtomicBool, AtomicU64, AtomicUsize, CachePadded, Mutex, Ordering, fence, lock},
    wait_queue::{WaitOutcome, WaitQueue, WaitTicket, Wakers, wake},
};
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// A bounded queue with any number of senders and one reader.
///
/// The reader takes all queued items out as one batch, so that it and the senders
/// rarely contend for the lock. Items of the batch that are not read yet still count as
/// queued, so the bound is exact.
///
/// Fields written by senders, fields written by the reader and fields that are only
/// read are on separate cache lines to avoid false sharing.
///
/// No user code runs under the lock. Items are weighed and the clock is read before the
/// lock is taken. Wakers are cloned, woken and dropped, and items are dropped, after it
/// is released; wakers come first.
pub(super) struct BoundedQueue<T> {
    bound: Bound<T>,
    overflow: Overflow,
    clock: Option<Arc<dyn Clock>>,
    senders: AtomicUsize,
    /// Set while a sleeping waiter needs room. The reader checks it without the lock.
    wants_room: AtomicBool,
    is_aborted: AtomicBool,
    has_ended: AtomicBool,
    guarded: CachePadded<Guarded<T>>,
    reader: CachePadded<ReaderProgress>,
}

/// The locked state, and figures derived from it that are read without the lock.
struct Guarded<T> {
    state: Mutex<State<T>>,
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
pub(super) enum SendAttempt<T> {
    /// The item was queued, or dropped as the overflow policy demands.
    Sent,
    /// There is no room, and the sender may wait.
    NoRoom(QueuedItem<T>),
    Rejected(SendError<T>),
}

/// The result of an attempt to read a batch.
pub(super) enum ReadAttempt {
    /// The batch has items. Its first item already counts as read; holds the weight of
    /// the others.
    Items(usize),
    /// No item is queued. The waker, if there is one, is registered.
    Empty,
    /// The channel has ended, with an error or without.
    End(Option<StreamError>),
}

/// An item and its weight, which is determined once.
pub(super) struct QueuedItem<T> {
    pub(super) value: T,
    pub(super) weight: usize,
}

struct State<T> {
    items: VecDeque<QueuedItem<T>>,
    /// Total weight of `items`.
    weight: usize,
    /// Weight of the reader's batch when it was last loaded: an upper bound on the
    /// weight of its unread items.
    batch_weight: usize,
    /// Number of slots reserved by permits.
    permits: usize,
    /// `false` from reaching the high mark until the queue has drained to the low mark.
    is_open: bool,
    end: Option<ChannelEnd>,
    reader: Option<Waker>,
    /// Senders waiting for room.
    waiters: WaitQueue,
    /// Tasks waiting for the end.
    end_waiters: WaitQueue,
    stall: StallClock,
    sent: Amount,
    /// Total amount taken out by the reader.
    taken: Amount,
    dropped: Amount,
    refused: Amount,
    peak: usize,
}

/// The end of a channel, which the reader finds behind the last item.
pub(super) enum ChannelEnd {
    Closed,
    Failed(BoxError),
    Aborted,
}

/// The remains of an aborted channel, to be dropped without the lock: the earlier end
/// and all queued items.
pub(super) type Leftovers<T> = (Option<ChannelEnd>, VecDeque<QueuedItem<T>>);

/// Measures the time during which at least one sender waits.
#[derive(Default)]
struct StallClock {
    passed: Duration,
    /// Start of the current stall.
    since: Option<Duration>,
}

/// Divisor of the high mark that caps a waiter's weight when several are woken at once:
/// a heavy waiter may never come back, and the others should not wait for it.
const WAITER_SHARE: usize = 16;

impl<T> BoundedQueue<T> {
    pub(super) fn new(bound: Bound<T>, overflow: Overflow, clock: Option<Arc<dyn Clock>>) -> Self {
        BoundedQueue {
            bound,
            overflow,
            clock,
            senders: AtomicUsize::new(1),
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

    pub(super) fn bound(&self) -> &Bound<T> {
        &self.bound
    }

    /// Queues an item, or applies the overflow policy if there is no room.
    pub(super) fn send(&self, value: T, may_wait: bool) -> SendAttempt<T> {
        let weight = self.bound.weight_of(&value);
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            return SendAttempt::Rejected(SendError::Closed(value));
        }
        let is_admitted = if self.overflow == Overflow::Wait {
            self.admits(&mut state, weight)
        } else {
            self.has_room(&mut state)
        };
        if is_admitted {
            let reader = self.push(&mut state, QueuedItem { value, weight });
            drop(state);
            wake(reader);
            return SendAttempt::Sent;
        }
        match self.overflow {
            Overflow::Wait if may_wait => return SendAttempt::NoRoom(QueuedItem { value, weight }),
            Overflow::Wait | Overflow::Fail => {
                state.refused += Amount::one(weight);
                return SendAttempt::Rejected(SendError::Full(value));
            }
            Overflow::DropNewest => {
                state.sent += Amount::one(weight);
                state.dropped += Amount::one(weight);
                drop(state);
                drop(value);
            }
            Overflow::DropOldest | Overflow::Latest => {
                let mut dropped = VecDeque::new();
                if self.overflow == Overflow::Latest {
                    dropped = state.take_all();
                } else {
                    while !state.items.is_empty() && state.total() >= self.bound.high_mark() {
                        dropped.extend(state.take_oldest());
                    }
                }
                let item = QueuedItem { value, weight };
                let mut wakers = Wakers::default();
                if state.total() < self.bound.high_mark() {
                    wakers.extend(self.push(&mut state, item));
                } else {
                    // Permits hold every slot.
                    state.sent += Amount::one(weight);
                    state.dropped += Amount::one(weight);
                    self.publish(&state);
                    dropped.push_back(item);
                }
                self.wake_next(&mut state, &mut wakers);
                drop(state);
                wakers.wake();
                drop(dropped);
            }
        }
        SendAttempt::Sent
    }

    /// Queues an item whether there is room or not. Returns whether there is room for
    /// another one.
    pub(super) fn force(&self, value: T) -> Result<bool, SendError<T>> {
        let weight = self.bound.weight_of(&value);
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            return Err(SendError::Closed(value));
        }
        let reader = self.push(&mut state, QueuedItem { value, weight });
        let has_room = self.has_room(&mut state);
        drop(state);
        wake(reader);
        Ok(has_room)
    }

    /// Queues the item in `slot` once there is room for it. `slot` is empty when this
    /// returns ready.
    pub(super) fn poll_send(
        &self,
        ticket: &mut WaitTicket,
        slot: &mut Option<QueuedItem<T>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let weight = slot.as_ref().map_or(0, |item| item.weight);
        let proceed = |state: &mut State<T>, wakers: &mut Wakers| {
            if let Some(item) = slot.take() {
                if state.end.is_some() {
                    return Err(SendError::Closed(item.value));
                }
                wakers.extend(self.push(state, item));
            }
            Ok(())
        };
        let can_proceed = |state: &mut State<T>, ticket: &WaitTicket| {
            if state.waiters.is_woken(ticket) {
                self.has_room(state)
            } else if ticket.is_held() {
                state.waiters.is_first(ticket) && self.fits(state, weight)
            } else {
                self.admits(state, weight)
            }
        };
        // The first attempt has found no room, so it will most likely have to wait.
        let own = (!ticket.is_held()).then(|| context.waker().clone());
        self.poll_wait(ticket, weight, own, context, can_proceed, proceed)
    }

    /// Waits until a full queue has drained to the low mark.
    pub(super) fn poll_ready(
        &self,
        ticket: &mut WaitTicket,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let can_proceed = |state: &mut State<T>, ticket: &WaitTicket| {
            let is_next = state.waiters.is_woken(ticket) || state.waiters.is_first(ticket);
            is_next && self.is_open(state)
        };
        self.poll_wait(
            ticket,
            1,
            None,
            context,
            can_proceed,
            |state, _| match state.end {
                Some(_) => Err(SendError::Closed(())),
                None => Ok(()),
            },
        )
    }

    /// Waits for a slot and reserves it.
    pub(super) fn poll_reserve(
        &self,
        ticket: &mut WaitTicket,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let can_proceed = |state: &mut State<T>, ticket: &WaitTicket| {
            if state.waiters.is_woken(ticket) {
                self.has_room(state)
            } else if ticket.is_held() {
                state.waiters.is_first(ticket) && self.fits(state, 1)
            } else {
                self.admits(state, 1)
            }
        };
        self.poll_wait(ticket, 1, None, context, can_proceed, |state, _| {
            if state.end.is_some() {
                return Err(SendError::Closed(()));
            }
            self.reserve(state);
            Ok(())
        })
    }

    /// Reserves a slot without waiting.
    pub(super) fn try_reserve(&self) -> Result<(), SendError> {
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            return Err(SendError::Closed(()));
        }
        if !self.admits(&mut state, 1) {
            return Err(SendError::Full(()));
        }
        self.reserve(&mut state);
        Ok(())
    }

    /// Queues an item in a reserved slot.
    pub(super) fn send_reserved(&self, item: QueuedItem<T>) -> Result<(), SendError<T>> {
        let mut wakers = Wakers::default();
        let mut state = lock(&self.guarded.state);
        state.permits -= 1;
        let sent = if state.end.is_some() {
            self.publish(&state);
            Err(SendError::Closed(item.value))
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
    pub(super) fn release(&self) {
        let mut wakers = Wakers::default();
        let mut state = lock(&self.guarded.state);
        state.permits -= 1;
        self.publish(&state);
        // Wakes regardless of the low mark: no read would do so for this slot.
        self.wake_waiters(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
    }

    /// Removes a waiter and wakes the next one if there is room.
    pub(super) fn cancel_wait(&self, ticket: &mut WaitTicket) {
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

    /// Waits until the channel has ended.
    pub(super) fn poll_closed(
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

    /// Removes a task that waits for the end.
    pub(super) fn cancel_closed(&self, ticket: &mut WaitTicket) {
        let left = lock(&self.guarded.state).end_waiters.remove(ticket);
        drop(left);
    }

    /// Moves items to the reader's empty `batch` and counts the first of them as read.
    /// Without a context it registers no waker. Without `may_end` it leaves the end for
    /// a later call.
    pub(super) fn poll_batch(
        &self,
        batch: &mut VecDeque<QueuedItem<T>>,
        context: Option<&Context<'_>>,
        may_end: bool,
    ) -> ReadAttempt {
        let mut own = None;
        loop {
            let mut state = lock(&self.guarded.state);
            if !state.items.is_empty() {
                let mut wakers = Wakers::default();
                let others = self.take_batch(&mut state, batch, &mut wakers);
                // The reader is awake, so its waker is stale.
                let before = state.reader.take();
                drop(state);
                wakers.wake();
                drop(before);
                return ReadAttempt::Items(others);
            }
            if may_end && state.end.is_some() {
                let end = match state.end.replace(ChannelEnd::Closed) {
                    None | Some(ChannelEnd::Closed) => None,
                    Some(ChannelEnd::Failed(error)) => Some(StreamError::Failed(error)),
                    Some(ChannelEnd::Aborted) => Some(StreamError::Aborted),
                };
                return ReadAttempt::End(end);
            }
            let Some(waker) = context.map(Context::waker) else {
                return ReadAttempt::Empty;
            };
            let is_registered = |reader: &Waker| reader.will_wake(waker);
            if state.reader.as_ref().is_some_and(is_registered) {
                return ReadAttempt::Empty;
            }
            if let Some(own) = own.take() {
                let before = state.reader.replace(own);
                drop(state);
                drop(before);
                return ReadAttempt::Empty;
            }
            drop(state);
            own = Some(waker.clone());
        }
    }

    /// Records that the reader has read `items` of its batch. The rest weighs `others`.
    pub(super) fn read(&self, items: usize, others: usize) {
        let read = self.reader.read.load(Ordering::Relaxed);
        self.reader
            .read
            .store(read + items as u64, Ordering::Relaxed);
        self.reader.unread.store(others, Ordering::Release);
        // Above the low mark no waiter is woken, whatever else is queued.
        if others > self.bound.low_mark() {
            return;
        }
        fence(Ordering::SeqCst);
        if self.wants_room.load(Ordering::Relaxed) {
            let mut wakers = Wakers::default();
            self.wake_drained(&mut lock(&self.guarded.state), &mut wakers);
            wakers.wake();
        }
    }

    /// Records that the reader drops its batch.
    pub(super) fn discard(&self, items: usize, weight: usize) {
        let mut state = lock(&self.guarded.state);
        self.reader.unread.store(0, Ordering::Release);
        let batch = Amount::new(items, weight);
        state.batch_weight = 0;
        state.taken = state.taken.minus(batch);
        state.dropped += batch;
        self.publish(&state);
    }

    /// Returns whether the channel was aborted, so that the reader has to drop its batch.
    pub(super) fn is_aborted(&self) -> bool {
        self.is_aborted.load(Ordering::Acquire)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    pub(super) fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_sender(&self) {
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }

    pub(super) fn close(&self) -> bool {
        self.end(ChannelEnd::Closed)
    }

    pub(super) fn fail(&self, error: BoxError) -> bool {
        self.end(ChannelEnd::Failed(error))
    }

    /// Ends the channel, even if it was closed or failed before, wakes all waiters and
    /// returns the queued items. Returns `None` if it was already aborted.
    pub(super) fn abort(&self) -> Option<Leftovers<T>> {
        let mut state = lock(&self.guarded.state);
        if self.is_aborted() {
            return None;
        }
        let before = state.end.replace(ChannelEnd::Aborted);
        self.is_aborted.store(true, Ordering::Release);
        self.has_ended.store(true, Ordering::Release);
        let items = state.take_all();
        self.publish(&state);
        let wakers = state.take_wakers();
        drop(state);
        wakers.wake();
        Some((before, items))
    }

    /// Ends the channel and wakes all waiters, unless it has already ended.
    fn end(&self, end: ChannelEnd) -> bool {
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

    pub(super) fn stats(&self) -> Stats {
        let now = self.now();
        let state = lock(&self.guarded.state);
        let read = self.reader.read.load(Ordering::Relaxed);
        let unread = self.reader.unread.load(Ordering::Acquire);
        let unread = Amount {
            items: state.taken.items.saturating_sub(read),
            weight: unread as u64,
        };
        let mut queued = Amount::new(state.items.len(), state.weight);
        queued += unread;
        Stats {
            sent: state.sent,
            received: state.taken.minus(unread),
            dropped: state.dropped,
            refused: state.refused,
            queued,
            peak: state.peak,
            waiting: state.waiters.len(),
            stalled: now.map(|now| state.stall.so_far(Some(now))),
        }
    }

    /// Returns the number of queued items, without the lock.
    pub(super) fn len(&self) -> usize {
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
    pub(super) fn is_full(&self) -> bool {
        let unread = self.reader.unread.load(Ordering::Acquire);
        let level = self.guarded.level.load(Ordering::Acquire);
        unread.saturating_add(level) >= self.bound.high_mark()
    }

    /// Waits until `can_proceed` returns `true` or the channel has ended, then calls
    /// `proceed`. `own` is a clone of the waker, if one is likely to be needed.
    fn poll_wait<O>(
        &self,
        ticket: &mut WaitTicket,
        weight: usize,
        mut own: Option<Waker>,
        context: &mut Context<'_>,
        can_proceed: impl Fn(&mut State<T>, &WaitTicket) -> bool,
        proceed: impl FnOnce(&mut State<T>, &mut Wakers) -> O,
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

    /// Returns whether a new item may be queued. It must not overtake a sleeping waiter
    /// and must leave the slots that are reserved for woken ones.
    fn admits(&self, state: &mut State<T>, weight: usize) -> bool {
        if state.waiters.has_sleeper() || !self.has_room(state) {
            return false;
        }
        if state.waiters.reserved() == 0 {
            return true;
        }
        // On an empty queue, waiters that do not come for their slots must not block
        // all others. A waiter that loses its slot this way does not lose another.
        self.fits(state, weight) || state.total() == 0 && !state.waiters.is_firm()
    }

    /// Returns whether there is room for an item besides the reserved slots.
    fn fits(&self, state: &mut State<T>, weight: usize) -> bool {
        if !self.has_room(state) {
            return false;
        }
        let reserved = state.waiters.reserved();
        if reserved == 0 {
            return true;
        }
        state.batch_weight = self.reader.unread.load(Ordering::Acquire);
        let occupied = state.total().saturating_add(reserved);
        occupied.saturating_add(weight) <= self.bound.high_mark()
    }

    fn has_room(&self, state: &mut State<T>) -> bool {
        if state.total() >= self.bound.high_mark() {
            // Loaded only when needed: the cache line belongs to the reader.
            state.batch_weight = self.reader.unread.load(Ordering::Acquire);
        }
        state.total() < self.bound.high_mark()
    }

    /// Returns whether the queue has drained to the low mark since it was last full.
    fn is_open(&self, state: &mut State<T>) -> bool {
        state.is_open = state.is_open || self.has_drained(state);
        state.is_open
    }

    fn has_drained(&self, state: &mut State<T>) -> bool {
        state.batch_weight = self.reader.unread.load(Ordering::Acquire);
        // Permits do not drain, so an empty queue counts as drained.
        let is_drained = state.queued() == 0 && state.permits < self.bound.high_mark();
        is_drained || state.total() <= self.bound.low_mark()
    }

    /// Queues an item. Returns the reader's waker, to be woken without the lock.
    #[inline]
    fn push(&self, state: &mut State<T>, item: QueuedItem<T>) -> Option<Waker> {
        // The level is lowest just before a push: check whether it has drained.
        self.is_open(state);
        let weight = item.weight;
        state.items.push_back(item);
        state.weight = state.weight.saturating_add(weight);
        state.sent += Amount::one(weight);
        self.publish(state);
        if state.queued() > state.peak {
            state.batch_weight = self.reader.unread.load(Ordering::Acquire);
            state.peak = state.peak.max(state.queued());
        }
        if state.is_open && !self.has_room(state) {
            state.is_open = false;
        }
        state.reader.take()
    }

    fn reserve(&self, state: &mut State<T>) {
        self.is_open(state);
        state.permits += 1;
        self.publish(state);
        if state.is_open && !self.has_room(state) {
            state.is_open = false;
        }
    }

    /// Moves items to the batch. Returns the weight of all but the first.
    fn take_batch(
        &self,
        state: &mut State<T>,
        batch: &mut VecDeque<QueuedItem<T>>,
        wakers: &mut Wakers,
    ) -> usize {
        let (items, weight) = match self.overflow {
            // The other items stay in the queue, where a new item can replace them.
            Overflow::DropOldest | Overflow::Latest => {
                let oldest = state.take_first();
                let weight = oldest.as_ref().map_or(0, |oldest| oldest.weight);
                batch.extend(oldest);
                (1, weight)
            }
            _ => {
                std::mem::swap(batch, &mut state.items);
                (batch.len(), std::mem::take(&mut state.weight))
            }
        };
        let first = batch.front().map_or(0, |first| first.weight);
        let others = weight.saturating_sub(first);
        state.batch_weight = others;
        state.taken += Amount::new(items, weight);
        self.publish(state);
        let read = self.reader.read.load(Ordering::Relaxed);
        self.reader.read.store(read + 1, Ordering::Release);
        self.reader.unread.store(others, Ordering::Release);
        self.wake_drained(state, wakers);
        others
    }

    /// Wakes the next waiter after a sender, if the queue has drained since it was full.
    fn wake_next(&self, state: &mut State<T>, wakers: &mut Wakers) {
        if self.wants_room(state) && self.is_open(state) {
            self.wake_waiters(state, wakers);
        }
    }

    /// Wakes the next waiter after a read, if the queue has drained.
    fn wake_drained(&self, state: &mut State<T>, wakers: &mut Wakers) {
        if self.wants_room(state) && self.has_drained(state) {
            state.is_open = true;
            self.wake_waiters(state, wakers);
        }
    }

    /// Returns whether a waiter is asleep. Stores the flag before the caller checks for
    /// room, in the same order as a new waiter does.
    fn wants_room(&self, state: &State<T>) -> bool {
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
    fn wake_waiters(&self, state: &mut State<T>, wakers: &mut Wakers) {
        let high = self.bound.high_mark();
        state.batch_weight = self.reader.unread.load(Ordering::Acquire);
        let mut woken = state.total();
        while woken < high && state.total().saturating_add(state.waiters.reserved()) < high {
            let Some((waker, weight)) = state.waiters.wake_first() else {
                break;
            };
            wakers.push(waker);
            if state.queued() > 0 {
                break;
            }
            woken = woken.saturating_add(weight.clamp(1, high.div_ceil(WAITER_SHARE)));
        }
        let has_sleeper = state.waiters.has_sleeper();
        self.wants_room.store(has_sleeper, Ordering::Relaxed);
    }

    /// Updates the figures that are read without the lock.
    fn publish(&self, state: &State<T>) {
        let kept = state.sent.items.saturating_sub(state.dropped.items);
        self.guarded.kept.store(kept, Ordering::Release);
        let level = state.weight.saturating_add(state.permits);
        self.guarded.level.store(level, Ordering::Release);
    }

    fn now(&self) -> Option<Duration> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}

impl<T> State<T> {
    fn new() -> Self {
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
            sent: Amount::default(),
            taken: Amount::default(),
            dropped: Amount::default(),
            refused: Amount::default(),
            peak: 0,
        }
    }

    /// Returns the weight of the queued items, the reader's batch included.
    fn queued(&self) -> usize {
        self.weight.saturating_add(self.batch_weight)
    }

    /// Returns the weight of the queued items plus the permits.
    fn total(&self) -> usize {
        self.queued().saturating_add(self.permits)
    }

    fn take_first(&mut self) -> Option<QueuedItem<T>> {
        let first = self.items.pop_front()?;
        self.weight = self.weight.saturating_sub(first.weight);
        Some(first)
    }

    fn take_oldest(&mut self) -> Option<QueuedItem<T>> {
        let oldest = self.take_first()?;
        self.dropped += Amount::one(oldest.weight);
        Some(oldest)
    }

    fn take_all(&mut self) -> VecDeque<QueuedItem<T>> {
        self.dropped += Amount::new(self.items.len(), std::mem::take(&mut self.weight));
        std::mem::take(&mut self.items)
    }

    /// Takes the wakers of the reader and of all waiters, to be woken without the lock.
    fn take_wakers(&mut self) -> Wakers {
        let mut wakers = Wakers::default();
        wakers.extend(self.reader.take());
        self.waiters.wake_all(&mut wakers);
        self.end_waiters.wake_all(&mut wakers);
        wakers
    }
}

impl StallClock {
    fn begin(&mut self, now: Option<Duration>) {
        self.since = self.since.or(now);
    }

    fn end(&mut self, now: Option<Duration>) {
        self.passed = self.so_far(now);
        self.since = None;
    }

    fn so_far(&self, now: Option<Duration>) -> Duration {
        let (Some(since), Some(now)) = (self.since, now) else {
            return self.passed;
        };
        self.passed + now.saturating_sub(since)
    }
}
