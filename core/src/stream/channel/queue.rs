//! The items between senders and a reader.

use super::{
    SendError, StreamError,
    state::{End, Entry, State},
};
use crate::{
    Clock, Overflow,
    stream::{Amount, Bound, Stats},
    sync::{Arc, AtomicBool, AtomicU64, AtomicUsize, Mutex, Ordering, fence, lock},
    wait_queue::{WaitOutcome, WaitTicket, Wakers, wake},
};
use crossbeam_utils::CachePadded;
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
    time::Duration,
};

/// A bounded queue with any number of senders and one reader.
///
/// The reader takes out all there is at once, so that it and the senders seldom
/// want the lock at the same time. What it has taken and not yet read counts as
/// queued all the same: the bound is exact.
///
/// What senders write with each item and what the reader writes with each are
/// on cache lines of their own, apart from what both only read: else each would
/// take the line from the other with each item.
///
/// No code of a user runs under the lock: weights are asked for and the clock is
/// read before it is taken; items are dropped and wakers are cloned, dropped and
/// woken after it is released, the wakers first.
pub(super) struct Queue<T> {
    bound: Bound<T>,
    overflow: Overflow,
    clock: Option<Arc<dyn Clock>>,
    pub(super) senders: AtomicUsize,
    /// Set if a waiter is to be woken when the queue has drained, for the reader to
    /// see without the lock.
    wants_room: AtomicBool,
    pub(super) is_aborted: AtomicBool,
    pub(super) has_ended: AtomicBool,
    pub(super) guarded: CachePadded<Guarded<T>>,
    reading: CachePadded<Reading>,
}

/// The state that senders lock, and figures of it that are read without the lock.
pub(super) struct Guarded<T> {
    pub(super) state: Mutex<State<T>>,
    /// Items ever sent and not dropped.
    kept: AtomicU64,
    /// The weight outside of the reader's batch, with the places that are held.
    level: AtomicUsize,
}

/// The reader's progress. Only the reader writes it.
#[derive(Default)]
struct Reading {
    /// Items ever read.
    read: AtomicU64,
    /// The weight of what it has not read of its batch.
    unread: AtomicUsize,
}

/// The result of sending an item.
pub(super) enum Sent<T> {
    Done,
    /// There is no room, and it may wait.
    NoRoom(Entry<T>),
    Refused(SendError<T>),
}

/// The result of a read.
pub(super) enum Found {
    /// Some, and what the others weigh, now that the first is as good as read.
    Items(usize),
    /// Nothing yet: its waker is told of more.
    Nothing,
    /// There is no more, perhaps for a reason.
    End(Option<StreamError>),
}

/// A waiter that is heavier than this part of the bound counts as this much when
/// several are woken at once: it may never go on.
const SHARE: usize = 16;

impl<T> Queue<T> {
    pub(super) fn new(bound: Bound<T>, overflow: Overflow, clock: Option<Arc<dyn Clock>>) -> Self {
        Queue {
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
            reading: CachePadded::default(),
        }
    }

    pub(super) fn bound(&self) -> &Bound<T> {
        &self.bound
    }

    /// Queues an item, or does what the overflow policy says.
    pub(super) fn send(&self, value: T, may_wait: bool) -> Sent<T> {
        let weight = self.bound.weight_of(&value);
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            return Sent::Refused(SendError::Closed(value));
        }
        let has_turn = if self.overflow == Overflow::Wait {
            self.admits(&mut state, weight)
        } else {
            self.has_room(&mut state)
        };
        if has_turn {
            let reader = self.push(&mut state, Entry { value, weight });
            drop(state);
            wake(reader);
            return Sent::Done;
        }
        match self.overflow {
            Overflow::Wait if may_wait => return Sent::NoRoom(Entry { value, weight }),
            Overflow::Wait | Overflow::Fail => {
                state.refused += Amount::one(weight);
                return Sent::Refused(SendError::Full(value));
            }
            Overflow::DropNewest => {
                state.sent += Amount::one(weight);
                state.dropped += Amount::one(weight);
                drop(state);
                drop(value);
            }
            Overflow::DropOldest | Overflow::Latest => {
                let mut gone = VecDeque::new();
                if self.overflow == Overflow::Latest {
                    gone = state.take_all();
                } else {
                    while !state.entries.is_empty() && state.total() >= self.bound.high_mark() {
                        gone.extend(state.take_oldest());
                    }
                }
                let entry = Entry { value, weight };
                let mut wakers = Wakers::default();
                if state.total() < self.bound.high_mark() {
                    wakers.extend(self.push(&mut state, entry));
                } else {
                    // Permits hold every place.
                    state.sent += Amount::one(weight);
                    state.dropped += Amount::one(weight);
                    self.publish(&state);
                    gone.push_back(entry);
                }
                self.wake_next(&mut state, &mut wakers);
                drop(state);
                wakers.wake();
                drop(gone);
            }
        }
        Sent::Done
    }

    /// Queues an item whether there is room or not. Says whether there is room
    /// for another.
    pub(super) fn force(&self, value: T) -> Result<bool, SendError<T>> {
        let weight = self.bound.weight_of(&value);
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            return Err(SendError::Closed(value));
        }
        let reader = self.push(&mut state, Entry { value, weight });
        let has_room = self.has_room(&mut state);
        drop(state);
        wake(reader);
        Ok(has_room)
    }

    /// Queues the item of a sender that waits, when there is room for it. The
    /// slot is empty once this is ready.
    pub(super) fn poll_send(
        &self,
        ticket: &mut WaitTicket,
        slot: &mut Option<Entry<T>>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let weight = slot.as_ref().map_or(0, |entry| entry.weight);
        let pass = |state: &mut State<T>, wakers: &mut Wakers| {
            if let Some(entry) = slot.take() {
                if state.end.is_some() {
                    return Err(SendError::Closed(entry.value));
                }
                wakers.extend(self.push(state, entry));
            }
            Ok(())
        };
        let may_pass = |state: &mut State<T>, ticket: &WaitTicket| {
            if state.line.is_woken(ticket) {
                self.has_room(state)
            } else if ticket.is_held() {
                state.line.is_first(ticket) && self.fits(state, weight)
            } else {
                self.admits(state, weight)
            }
        };
        // It has looked before, and is going to wait.
        let own = (!ticket.is_held()).then(|| context.waker().clone());
        self.poll_line(ticket, weight, own, context, may_pass, pass)
    }

    /// Waits until the queue has drained to the low mark, if it was full since.
    pub(super) fn poll_ready(
        &self,
        ticket: &mut WaitTicket,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let may_pass = |state: &mut State<T>, ticket: &WaitTicket| {
            let has_turn = state.line.is_woken(ticket) || state.line.is_first(ticket);
            has_turn && self.is_open(state)
        };
        self.poll_line(ticket, 1, None, context, may_pass, |state, _| {
            match state.end {
                Some(_) => Err(SendError::Closed(())),
                None => Ok(()),
            }
        })
    }

    /// Waits for a place, and holds it.
    pub(super) fn poll_reserve(
        &self,
        ticket: &mut WaitTicket,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let may_pass = |state: &mut State<T>, ticket: &WaitTicket| {
            if state.line.is_woken(ticket) {
                self.has_room(state)
            } else if ticket.is_held() {
                state.line.is_first(ticket) && self.fits(state, 1)
            } else {
                self.admits(state, 1)
            }
        };
        self.poll_line(ticket, 1, None, context, may_pass, |state, _| {
            if state.end.is_some() {
                return Err(SendError::Closed(()));
            }
            self.hold(state);
            Ok(())
        })
    }

    /// Holds a place if there is one.
    pub(super) fn try_reserve(&self) -> Result<(), SendError> {
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            return Err(SendError::Closed(()));
        }
        if !self.admits(&mut state, 1) {
            return Err(SendError::Full(()));
        }
        self.hold(&mut state);
        Ok(())
    }

    /// Queues an item at a place that was held.
    pub(super) fn send_held(&self, entry: Entry<T>) -> Result<(), SendError<T>> {
        let mut wakers = Wakers::default();
        let mut state = lock(&self.guarded.state);
        state.held -= 1;
        let sent = if state.end.is_some() {
            self.publish(&state);
            Err(SendError::Closed(entry.value))
        } else {
            wakers.extend(self.push(&mut state, entry));
            Ok(())
        };
        // An item may weigh nothing.
        self.wake_next(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
        sent
    }

    /// Gives a place back that was held.
    pub(super) fn release(&self) {
        let mut wakers = Wakers::default();
        let mut state = lock(&self.guarded.state);
        state.held -= 1;
        self.publish(&state);
        // Whoever comes next need not wait for the low mark: nothing is read for it.
        self.wake_sleepers(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
    }

    /// Gives up waiting: whoever comes next may have its turn now.
    pub(super) fn stop_waiting(&self, ticket: &mut WaitTicket) {
        let now = self.now();
        let mut wakers = Wakers::default();
        let mut state = lock(&self.guarded.state);
        let left = state.line.remove(ticket);
        if state.line.is_empty() {
            state.stall.end(now);
        }
        self.wake_next(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
        drop(left);
    }

    /// Waits for the end.
    pub(super) fn poll_closed(
        &self,
        ticket: &mut WaitTicket,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut own = None;
        loop {
            let mut state = lock(&self.guarded.state);
            if state.end.is_some() {
                let left = state.closing.remove(ticket);
                drop(state);
                drop(left);
                return Poll::Ready(());
            }
            let waker = context.waker();
            let slept = state.closing.wait(ticket, waker, &mut own, 0);
            drop(state);
            match slept {
                WaitOutcome::Waiting(_before) => return Poll::Pending,
                WaitOutcome::NeedsWaker => own = Some(waker.clone()),
            }
        }
    }

    /// Gives up waiting for the end.
    pub(super) fn stop_closed(&self, ticket: &mut WaitTicket) {
        let left = lock(&self.guarded.state).closing.remove(ticket);
        drop(left);
    }

    /// Moves items to the reader's empty `batch`; the first of them is as good as
    /// read. Without a context it does not wait, and leaves the end for later.
    pub(super) fn poll_batch(
        &self,
        batch: &mut VecDeque<Entry<T>>,
        context: Option<&Context<'_>>,
        may_end: bool,
    ) -> Found {
        let mut own = None;
        loop {
            let mut state = lock(&self.guarded.state);
            if !state.entries.is_empty() {
                let mut wakers = Wakers::default();
                let others = self.take_batch(&mut state, batch, &mut wakers);
                // Nobody sleeps any more.
                let before = state.reader.take();
                drop(state);
                wakers.wake();
                drop(before);
                return Found::Items(others);
            }
            if may_end && state.end.is_some() {
                let end = match state.end.replace(End::Closed) {
                    None | Some(End::Closed) => None,
                    Some(End::Failed(error)) => Some(StreamError::Failed(error)),
                    Some(End::Aborted) => Some(StreamError::Aborted),
                };
                return Found::End(end);
            }
            let Some(waker) = context.map(Context::waker) else {
                return Found::Nothing;
            };
            let knows = |reader: &Waker| reader.will_wake(waker);
            if state.reader.as_ref().is_some_and(knows) {
                return Found::Nothing;
            }
            if let Some(own) = own.take() {
                let before = state.reader.replace(own);
                drop(state);
                drop(before);
                return Found::Nothing;
            }
            drop(state);
            own = Some(waker.clone());
        }
    }

    /// The reader has read an item of its batch, or several; the others weigh so
    /// much.
    pub(super) fn read(&self, items: usize, others: usize) {
        let read = self.reading.read.load(Ordering::Relaxed);
        self.reading
            .read
            .store(read + items as u64, Ordering::Relaxed);
        self.reading.unread.store(others, Ordering::Release);
        // Above the low mark nobody is to be woken, whatever else is queued.
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

    /// The reader gives its batch up.
    pub(super) fn discard(&self, items: usize, weight: usize) {
        let mut state = lock(&self.guarded.state);
        self.reading.unread.store(0, Ordering::Release);
        let batch = Amount::new(items, weight);
        state.lent = 0;
        state.lent_ever = state.lent_ever.minus(batch);
        state.dropped += batch;
        self.publish(&state);
    }

    pub(super) fn stats(&self) -> Stats {
        let now = self.now();
        let state = lock(&self.guarded.state);
        let read = self.reading.read.load(Ordering::Relaxed);
        let unread = self.reading.unread.load(Ordering::Acquire);
        let unread = Amount {
            items: state.lent_ever.items.saturating_sub(read),
            weight: unread as u64,
        };
        let mut queued = Amount::new(state.entries.len(), state.weight);
        queued += unread;
        Stats {
            sent: state.sent,
            received: state.lent_ever.minus(unread),
            dropped: state.dropped,
            refused: state.refused,
            queued,
            peak: state.peak,
            waiting: state.line.len(),
            stalled: now.map(|now| state.stall.so_far(Some(now))),
        }
    }

    /// Returns the number of queued items, without the lock.
    pub(super) fn len(&self) -> usize {
        let mut read = self.reading.read.load(Ordering::Acquire);
        loop {
            let kept = self.guarded.kept.load(Ordering::Acquire);
            let now = self.reading.read.load(Ordering::Acquire);
            // Both are of one moment if none was read meanwhile.
            if read == now || kept < now {
                return usize::try_from(kept.saturating_sub(now)).unwrap_or(usize::MAX);
            }
            read = now;
        }
    }

    /// Returns whether there is no room, without the lock.
    pub(super) fn is_full(&self) -> bool {
        let unread = self.reading.unread.load(Ordering::Acquire);
        let level = self.guarded.level.load(Ordering::Acquire);
        unread.saturating_add(level) >= self.bound.high_mark()
    }

    /// Waits in the line until one may pass, or the channel has ended. `own` is a
    /// clone of the waker, if one is likely to be needed.
    fn poll_line<O>(
        &self,
        ticket: &mut WaitTicket,
        weight: usize,
        mut own: Option<Waker>,
        context: &mut Context<'_>,
        may_pass: impl Fn(&mut State<T>, &WaitTicket) -> bool,
        pass: impl FnOnce(&mut State<T>, &mut Wakers) -> O,
    ) -> Poll<O> {
        let now = self.now();
        let mut wakers = Wakers::default();
        let mut state = loop {
            let mut state = lock(&self.guarded.state);
            // Said before the look, so that either this sees what is read
            // meanwhile or the reader sees this.
            self.wants_room.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
            if state.end.is_some() || may_pass(&mut state, ticket) {
                break state;
            }
            let waker = context.waker();
            let slept = state.line.wait(ticket, waker, &mut own, weight);
            if let WaitOutcome::Waiting(_) = slept {
                state.stall.begin(now);
            }
            drop(state);
            match slept {
                WaitOutcome::Waiting(_before) => return Poll::Pending,
                WaitOutcome::NeedsWaker => own = Some(waker.clone()),
            }
        };
        let passed = pass(&mut state, &mut wakers);
        let left = state.line.remove(ticket);
        if state.line.is_empty() {
            state.stall.end(now);
        }
        self.wake_next(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
        drop((left, own));
        Poll::Ready(passed)
    }

    /// Returns whether an item that was not in the line may be queued: nobody asleep may
    /// be overtaken, and those that were woken have places reserved.
    fn admits(&self, state: &mut State<T>, weight: usize) -> bool {
        if state.line.has_sleeper() || !self.has_room(state) {
            return false;
        }
        if state.line.reserved() == 0 {
            return true;
        }
        // Where nothing is queued, those that do not come for their places do not
        // keep everybody else out. One that then comes in vain is not overtaken
        // again.
        self.fits(state, weight) || state.total() == 0 && !state.line.is_firm()
    }

    /// Returns whether there is room for an item beside the places that are reserved.
    fn fits(&self, state: &mut State<T>, weight: usize) -> bool {
        if !self.has_room(state) {
            return false;
        }
        let reserved = state.line.reserved();
        if reserved == 0 {
            return true;
        }
        state.lent = self.reading.unread.load(Ordering::Acquire);
        let beside = state.total().saturating_add(reserved);
        beside.saturating_add(weight) <= self.bound.high_mark()
    }

    fn has_room(&self, state: &mut State<T>) -> bool {
        if state.total() >= self.bound.high_mark() {
            // Looked at only now: it is the reader's, and costs to share.
            state.lent = self.reading.unread.load(Ordering::Acquire);
        }
        state.total() < self.bound.high_mark()
    }

    /// Returns whether there is room that waiters are to be woken for.
    fn is_open(&self, state: &mut State<T>) -> bool {
        state.is_open = state.is_open || self.has_drained(state);
        state.is_open
    }

    fn has_drained(&self, state: &mut State<T>) -> bool {
        state.lent = self.reading.unread.load(Ordering::Acquire);
        // What permits hold does not drain.
        let is_drained = state.queued() == 0 && state.held < self.bound.high_mark();
        is_drained || state.total() <= self.bound.low_mark()
    }

    /// Returns the reader, if it sleeps, to be woken after the lock is released.
    #[inline]
    fn push(&self, state: &mut State<T>, entry: Entry<T>) -> Option<Waker> {
        // What is queued is least just before a push: was that little enough?
        self.is_open(state);
        let weight = entry.weight;
        state.entries.push_back(entry);
        state.weight = state.weight.saturating_add(weight);
        state.sent += Amount::one(weight);
        self.publish(state);
        if state.queued() > state.peak {
            state.lent = self.reading.unread.load(Ordering::Acquire);
            state.peak = state.peak.max(state.queued());
        }
        if state.is_open && !self.has_room(state) {
            state.is_open = false;
        }
        state.reader.take()
    }

    fn hold(&self, state: &mut State<T>) {
        self.is_open(state);
        state.held += 1;
        self.publish(state);
        if state.is_open && !self.has_room(state) {
            state.is_open = false;
        }
    }

    /// Returns what the other items weigh, without the first.
    fn take_batch(
        &self,
        state: &mut State<T>,
        batch: &mut VecDeque<Entry<T>>,
        wakers: &mut Wakers,
    ) -> usize {
        let (items, weight) = match self.overflow {
            // The oldest must stay here, to be dropped for a new one.
            Overflow::DropOldest | Overflow::Latest => {
                let oldest = state.take_first();
                let weight = oldest.as_ref().map_or(0, |oldest| oldest.weight);
                batch.extend(oldest);
                (1, weight)
            }
            _ => {
                std::mem::swap(batch, &mut state.entries);
                (batch.len(), std::mem::take(&mut state.weight))
            }
        };
        let first = batch.front().map_or(0, |first| first.weight);
        let others = weight.saturating_sub(first);
        state.lent = others;
        state.lent_ever += Amount::new(items, weight);
        self.publish(state);
        let read = self.reading.read.load(Ordering::Relaxed);
        self.reading.read.store(read + 1, Ordering::Release);
        self.reading.unread.store(others, Ordering::Release);
        self.wake_drained(state, wakers);
        others
    }

    /// Wakes the next in line for whoever was before it, if the queue has drained
    /// since it was full.
    fn wake_next(&self, state: &mut State<T>, wakers: &mut Wakers) {
        if self.wants_room(state) && self.is_open(state) {
            self.wake_sleepers(state, wakers);
        }
    }

    /// Wakes the next in line for an item that was read, if the queue has drained.
    fn wake_drained(&self, state: &mut State<T>, wakers: &mut Wakers) {
        if self.wants_room(state) && self.has_drained(state) {
            state.is_open = true;
            self.wake_sleepers(state, wakers);
        }
    }

    /// Returns whether anybody is to be woken: stored before one looks whether there is
    /// room, as when it began to wait.
    fn wants_room(&self, state: &State<T>) -> bool {
        let has_sleeper = state.line.has_sleeper();
        self.wants_room.store(has_sleeper, Ordering::Relaxed);
        if has_sleeper {
            fence(Ordering::SeqCst);
        }
        has_sleeper
    }

    /// Wakes the first one asleep if there is a place to reserve for it. It wakes
    /// the next when it goes on, and so does the reader with each item it reads.
    /// Once nothing is left to be read, as many are woken as there is room for.
    fn wake_sleepers(&self, state: &mut State<T>, wakers: &mut Wakers) {
        let high = self.bound.high_mark();
        state.lent = self.reading.unread.load(Ordering::Acquire);
        let mut woken = state.total();
        while woken < high && state.total().saturating_add(state.line.reserved()) < high {
            let Some((waker, weight)) = state.line.wake_first() else {
                break;
            };
            wakers.push(waker);
            if state.queued() > 0 {
                break;
            }
            woken = woken.saturating_add(weight.clamp(1, high.div_ceil(SHARE)));
        }
        let has_sleeper = state.line.has_sleeper();
        self.wants_room.store(has_sleeper, Ordering::Relaxed);
    }

    /// Updates the figures that are read without the lock.
    pub(super) fn publish(&self, state: &State<T>) {
        let kept = state.sent.items.saturating_sub(state.dropped.items);
        self.guarded.kept.store(kept, Ordering::Release);
        let level = state.weight.saturating_add(state.held);
        self.guarded.level.store(level, Ordering::Release);
    }

    fn now(&self) -> Option<Duration> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}
