//! The items between senders and a reader.

use super::{
    SendError, StreamError,
    line::Ticket,
    state::{End, Entry, State, wake},
};
use crate::{
    Clock, Overflow,
    stream::{Amount, Bound, Stats},
    sync::{Arc, AtomicBool, AtomicUsize, Mutex, Ordering, fence, lock},
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
pub(super) struct Queue<T> {
    bound: Bound<T>,
    overflow: Overflow,
    clock: Option<Arc<dyn Clock>>,
    pub(super) senders: AtomicUsize,
    /// Whether the first in line is to be woken when the queue has drained, for
    /// the reader to see without the lock.
    wants_room: AtomicBool,
    pub(super) is_aborted: AtomicBool,
    pub(super) state: CachePadded<Mutex<State<T>>>,
    unread: CachePadded<Unread>,
}

/// What the reader has not read of its batch. Only the reader writes it.
#[derive(Default)]
struct Unread {
    items: AtomicUsize,
    weight: AtomicUsize,
}

/// What became of an item.
pub(super) enum Sent<T> {
    Done,
    /// There is no room, and it may wait.
    NoRoom(T),
    Refused(SendError<T>),
}

/// What the reader finds.
pub(super) enum Found {
    /// Some, and what the others weigh, now that the first is as good as read.
    Items(usize),
    /// Nothing yet: its waker is told of more.
    Nothing,
    /// There is no more, perhaps for a reason.
    End(Option<StreamError>),
}

impl<T> Queue<T> {
    pub(super) fn new(bound: Bound<T>, overflow: Overflow, clock: Option<Arc<dyn Clock>>) -> Self {
        Queue {
            bound,
            overflow,
            clock,
            senders: AtomicUsize::new(1),
            wants_room: AtomicBool::new(false),
            is_aborted: AtomicBool::new(false),
            state: CachePadded::new(Mutex::new(State::new())),
            unread: CachePadded::default(),
        }
    }

    pub(super) fn bound(&self) -> &Bound<T> {
        &self.bound
    }

    /// Queues an item, or does what the overflow policy says.
    pub(super) fn send(&self, value: T, may_wait: bool) -> Sent<T> {
        let weight = self.bound.weight_of(&value);
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return Sent::Refused(SendError::Closed(value));
        }
        // Who comes later may not overtake those that wait.
        let has_turn = state.line.is_empty() || self.overflow != Overflow::Wait;
        if has_turn && self.has_room(&mut state) {
            let reader = self.push(&mut state, value, weight);
            drop(state);
            wake(reader);
            return Sent::Done;
        }
        match self.overflow {
            Overflow::Wait if may_wait => return Sent::NoRoom(value),
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
                    while state.weight >= self.bound.high_mark() {
                        gone.extend(state.take_oldest());
                    }
                }
                let reader = self.push(&mut state, value, weight);
                let next = self.next_in_line(&mut state);
                drop(state);
                drop(gone);
                wake(reader);
                wake(next);
            }
        }
        Sent::Done
    }

    /// Queues an item whether there is room or not. Says whether there is room
    /// for another.
    pub(super) fn force(&self, value: T) -> Result<bool, SendError<T>> {
        let weight = self.bound.weight_of(&value);
        let mut state = lock(&self.state);
        if state.end.is_some() {
            return Err(SendError::Closed(value));
        }
        let reader = self.push(&mut state, value, weight);
        let has_room = self.has_room(&mut state);
        drop(state);
        wake(reader);
        Ok(has_room)
    }

    /// Queues the item of a sender that waits, when it is its turn and there is
    /// room.
    pub(super) fn poll_send(
        &self,
        ticket: &mut Ticket,
        slot: &mut Option<T>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError<T>>> {
        let Some(weight) = slot.as_ref().map(|value| self.bound.weight_of(value)) else {
            return Poll::Ready(Ok(()));
        };
        let waker = context.waker().clone();
        let mut state = lock(&self.state);
        let is_first = self.ask(&state, ticket);
        let has_ended = state.end.is_some();
        if !(has_ended || is_first && self.has_room(&mut state)) {
            let before = state.line.wait(ticket, waker, self.now());
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        let mut reader = None;
        let mut answer = Ok(());
        if let Some(value) = slot.take() {
            if has_ended {
                answer = Err(SendError::Closed(value));
            } else {
                reader = self.push(&mut state, value, weight);
            }
        }
        let left = self.leave(&mut state, ticket);
        let next = self.next_in_line(&mut state);
        drop(state);
        drop(left);
        wake(reader);
        wake(next);
        Poll::Ready(answer)
    }

    /// Waits until the queue has drained to the low mark, if it was full since.
    pub(super) fn poll_ready(
        &self,
        ticket: &mut Ticket,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        let mut state = lock(&self.state);
        let is_first = self.ask(&state, ticket);
        let has_ended = state.end.is_some();
        if !(has_ended || is_first && self.is_open(&mut state)) {
            let waker = context.waker().clone();
            let before = state.line.wait(ticket, waker, self.now());
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        let left = self.leave(&mut state, ticket);
        let next = self.next_in_line(&mut state);
        drop(state);
        drop(left);
        wake(next);
        Poll::Ready(if has_ended {
            Err(SendError::Closed(()))
        } else {
            Ok(())
        })
    }

    /// Gives up waiting: whoever comes next may have its turn now.
    pub(super) fn stop_waiting(&self, ticket: &mut Ticket) {
        let mut state = lock(&self.state);
        let left = self.leave(&mut state, ticket);
        let next = self.next_in_line(&mut state);
        drop(state);
        drop(left);
        wake(next);
    }

    /// Moves items to the reader's empty `batch`; the first of them is as good
    /// as read.
    pub(super) fn poll_batch(
        &self,
        batch: &mut VecDeque<Entry<T>>,
        context: &mut Context<'_>,
    ) -> Found {
        let mut state = lock(&self.state);
        if state.entries.is_empty() {
            let end = match state.end.take() {
                None => {
                    let before = state.reader.replace(context.waker().clone());
                    drop(state);
                    drop(before);
                    return Found::Nothing;
                }
                Some(End::Closed) => None,
                Some(End::Failed(error)) => Some(StreamError::Failed(error)),
                Some(End::Aborted) => Some(StreamError::Aborted),
            };
            state.end = Some(End::Closed);
            return Found::End(end);
        }
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
        self.unread.items.store(items - 1, Ordering::Relaxed);
        self.unread.weight.store(others, Ordering::Release);
        state.lent_ever += Amount::new(items, weight);
        // Nobody sleeps any more.
        let before = state.reader.take();
        let next = self.next_in_line(&mut state);
        drop(state);
        drop(before);
        wake(next);
        Found::Items(others)
    }

    /// The reader has read an item of its batch.
    pub(super) fn read(&self, items: usize, weight: usize) {
        self.unread.items.store(items, Ordering::Relaxed);
        self.unread.weight.store(weight, Ordering::Release);
        // Above the low mark nobody is to be woken, whatever else is queued.
        if weight > self.bound.low_mark() {
            return;
        }
        fence(Ordering::SeqCst);
        if self.wants_room.load(Ordering::Relaxed) {
            let next = self.next_in_line(&mut lock(&self.state));
            wake(next);
        }
    }

    /// The reader gives its batch up.
    pub(super) fn discard(&self, items: usize, weight: usize) {
        let mut state = lock(&self.state);
        self.unread.items.store(0, Ordering::Relaxed);
        self.unread.weight.store(0, Ordering::Release);
        let batch = Amount::new(items, weight);
        state.lent_ever = state.lent_ever.minus(batch);
        state.dropped += batch;
    }

    pub(super) fn stats(&self) -> Stats {
        let state = lock(&self.state);
        let unread = Amount::new(
            self.unread.items.load(Ordering::Relaxed),
            self.unread.weight.load(Ordering::Acquire),
        );
        let mut queued = Amount::new(state.entries.len(), state.weight);
        queued += unread;
        let now = self.now();
        Stats {
            sent: state.sent,
            received: state.lent_ever.minus(unread),
            dropped: state.dropped,
            refused: state.refused,
            queued,
            peak: state.peak,
            waiting: state.line.len(),
            stalled: now.map(|now| state.line.stalled(Some(now), !state.line.is_empty())),
        }
    }

    /// Whether it is one's turn. If so, says that room is wanted before one
    /// looks whether there is some: either one sees what is read meanwhile, or
    /// the reader sees this.
    fn ask(&self, state: &State<T>, ticket: &Ticket) -> bool {
        let is_first = state.line.is_first(ticket);
        if is_first {
            self.wants_room.store(true, Ordering::Relaxed);
            fence(Ordering::SeqCst);
        }
        is_first
    }

    fn has_room(&self, state: &mut State<T>) -> bool {
        if state.total() >= self.bound.high_mark() {
            // Looked at only now: it is the reader's, and costs to share.
            state.lent = self.unread.weight.load(Ordering::Acquire);
        }
        state.total() < self.bound.high_mark()
    }

    /// Whether there is room that those who wait are to be woken for.
    fn is_open(&self, state: &mut State<T>) -> bool {
        if !state.is_open {
            state.lent = self.unread.weight.load(Ordering::Acquire);
            state.is_open = state.total() <= self.bound.low_mark();
        }
        state.is_open
    }

    /// Returns the reader, if it sleeps, to be woken after the lock is released.
    fn push(&self, state: &mut State<T>, value: T, weight: usize) -> Option<Waker> {
        // What is queued is least just before a push: was that little enough?
        self.is_open(state);
        state.entries.push_back(Entry { value, weight });
        state.weight = state.weight.saturating_add(weight);
        state.sent += Amount::one(weight);
        if state.total() > state.peak {
            state.lent = self.unread.weight.load(Ordering::Acquire);
            state.peak = state.peak.max(state.total());
        }
        if state.is_open && !self.has_room(state) {
            state.is_open = false;
        }
        state.reader.take()
    }

    fn leave(&self, state: &mut State<T>, ticket: &mut Ticket) -> Option<Waker> {
        if !ticket.is_held() {
            return None;
        }
        state.line.leave(ticket, self.now())
    }

    /// Whose turn it is, if there is room and nobody has been told.
    fn next_in_line(&self, state: &mut State<T>) -> Option<Waker> {
        let is_asleep = state.line.is_asleep();
        self.wants_room.store(is_asleep, Ordering::Relaxed);
        if !is_asleep {
            return None;
        }
        // Said before the look, as when it began to wait.
        fence(Ordering::SeqCst);
        if !self.is_open(state) {
            return None;
        }
        self.wants_room.store(false, Ordering::Relaxed);
        state.line.call()
    }

    fn now(&self) -> Option<Duration> {
        self.clock.as_ref().map(|clock| clock.now())
    }
}
