//! The events between emits and a reader.

use super::{InboxFull, InboxStats};
use crate::Overflow;
use crate::sync::{AtomicBool, AtomicUsize, Mutex, Ordering, lock};
use crossbeam_utils::CachePadded;
use std::{
    collections::VecDeque,
    task::{Context, Poll, Waker},
};

/// A bounded queue with any number of writers and one reader.
///
/// The reader takes events out in batches, so that it and the writers seldom
/// want the lock at once. What it has taken and not yet read counts as queued
/// all the same: the bound is exact.
pub(super) struct Queue<E> {
    capacity: usize,
    overflow: Overflow,
    state: Mutex<State<E>>,
    /// On cache lines apart from what writers lock: on the same, each would
    /// take it from the other with each event.
    reader: CachePadded<ReadersOwn>,
}

/// What the reader touches with each event it reads.
struct ReadersOwn {
    /// How many events of its batch the reader has not read. Only the reader
    /// writes it.
    unread: AtomicUsize,
    /// Whether the first writer in line is to be woken when there is room, for
    /// the reader to see without the lock.
    wants_room: AtomicBool,
}

struct State<E> {
    events: VecDeque<E>,
    /// The size of the reader's batch when it was last looked at: no less than
    /// what is unread.
    lent: usize,
    is_closed: bool,
    reader: Option<Waker>,
    writers: VecDeque<Writer>,
    next_ticket: u64,
    received: u64,
    dropped: u64,
    refused: u64,
    lent_ever: u64,
    peak: usize,
}

/// An emit that waits for room.
struct Writer {
    ticket: u64,
    waker: Waker,
    /// It has been told that there is room, and has not looked yet.
    is_woken: bool,
}

/// What became of an event.
pub(super) enum Sent<E> {
    Done,
    /// There is no room, and it may wait.
    NoRoom(E),
    Refused(InboxFull),
}

impl<E> Queue<E> {
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Self {
        Queue {
            capacity,
            overflow,
            state: Mutex::new(State {
                events: VecDeque::new(),
                lent: 0,
                is_closed: false,
                reader: None,
                writers: VecDeque::new(),
                next_ticket: 0,
                received: 0,
                dropped: 0,
                refused: 0,
                lent_ever: 0,
                peak: 0,
            }),
            reader: CachePadded::new(ReadersOwn {
                unread: AtomicUsize::new(0),
                wants_room: AtomicBool::new(false),
            }),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Queues an event, or does what the overflow policy says.
    pub(super) fn send(&self, event: E, may_wait: bool) -> Sent<E> {
        let mut state = lock(&self.state);
        if state.is_closed {
            state.received += 1;
            state.dropped += 1;
            return Sent::Done;
        }
        // Who comes later may not overtake those that wait.
        let has_turn = state.writers.is_empty();
        if has_turn && self.has_room(&mut state) {
            state.received += 1;
            let reader = self.push(&mut state, event);
            drop(state);
            wake(reader);
            return Sent::Done;
        }
        match self.overflow {
            Overflow::Wait if may_wait => return Sent::NoRoom(event),
            Overflow::Wait | Overflow::Fail => {
                state.received += 1;
                state.refused += 1;
                return Sent::Refused(InboxFull {
                    capacity: self.capacity,
                });
            }
            Overflow::DropNewest => {
                state.received += 1;
                state.dropped += 1;
                drop(state);
                drop(event);
            }
            Overflow::DropOldest => {
                state.received += 1;
                state.dropped += 1;
                let oldest = state.events.pop_front();
                let reader = self.push(&mut state, event);
                drop(state);
                drop(oldest);
                wake(reader);
            }
            Overflow::Latest => {
                state.received += 1;
                state.dropped += state.events.len() as u64;
                let all = std::mem::take(&mut state.events);
                let reader = self.push(&mut state, event);
                drop(state);
                drop(all);
                wake(reader);
            }
        }
        Sent::Done
    }

    /// Queues the event of a writer that waits, when it is its turn and there
    /// is room. It gets its `ticket` when it first waits.
    pub(super) fn poll_send(
        &self,
        ticket: &mut Option<u64>,
        event: &mut Option<E>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let waker = context.waker().clone();
        let mut state = lock(&self.state);
        let is_first = match (*ticket, state.writers.front()) {
            (_, None) => true,
            (Some(ticket), Some(first)) => first.ticket == ticket,
            (None, Some(_)) => false,
        };
        // Said before the look, so that either this sees what is read meanwhile
        // or the reader sees this.
        if is_first {
            self.reader.wants_room.store(true, Ordering::SeqCst);
        }
        let reader = if state.is_closed {
            state.received += 1;
            state.dropped += 1;
            None
        } else if is_first && self.has_room(&mut state) {
            state.received += 1;
            event.take().and_then(|event| self.push(&mut state, event))
        } else {
            let before = state.wait(ticket, waker);
            drop(state);
            drop(before);
            return Poll::Pending;
        };
        let left = ticket.take().and_then(|own| state.leave(own));
        let next = self.next_writer(&mut state);
        drop(state);
        drop(left);
        wake(reader);
        wake(next);
        Poll::Ready(())
    }

    /// Gives up waiting: whoever comes next may have its turn now.
    pub(super) fn stop_waiting(&self, ticket: u64) {
        let mut state = lock(&self.state);
        let left = state.leave(ticket);
        let next = self.next_writer(&mut state);
        drop(state);
        drop(left);
        wake(next);
    }

    /// Moves events to the reader's empty `batch`. `None`: there are none, and
    /// the waker is told when that changes. `Some(false)`: nor will there be.
    pub(super) fn poll_batch(
        &self,
        batch: &mut VecDeque<E>,
        context: Option<&mut Context<'_>>,
    ) -> Option<bool> {
        let mut state = lock(&self.state);
        let waiting = state.events.len();
        let len = match self.overflow {
            // The oldest must stay here, to be dropped for a new one.
            Overflow::DropOldest | Overflow::Latest => waiting.min(1),
            // The rest is room for writers while the reader reads.
            _ => waiting.min(self.capacity.div_ceil(2)),
        };
        if len == 0 {
            if state.is_closed {
                return Some(false);
            }
            let waker = context.map(|context| context.waker().clone());
            let before = waker.and_then(|waker| state.reader.replace(waker));
            drop(state);
            drop(before);
            return None;
        }
        batch.extend(state.events.drain(..len));
        // The first is as good as read.
        state.lent = len - 1;
        self.reader.unread.store(len - 1, Ordering::SeqCst);
        state.lent_ever += len as u64;
        // Nobody sleeps any more.
        let before = state.reader.take();
        let next = self.next_writer(&mut state);
        drop(state);
        drop(before);
        wake(next);
        Some(true)
    }

    /// The reader takes an event of its batch: there is room for another.
    pub(super) fn read(&self, unread: usize) {
        self.reader.unread.store(unread, Ordering::SeqCst);
        if self.reader.wants_room.load(Ordering::SeqCst) {
            let next = self.next_writer(&mut lock(&self.state));
            wake(next);
        }
    }

    /// Takes no more events, and lets those that wait go.
    pub(super) fn close(&self) {
        let mut state = lock(&self.state);
        state.is_closed = true;
        let reader = state.reader.take();
        let writers: Vec<Waker> = state
            .writers
            .iter()
            .map(|writer| writer.waker.clone())
            .collect();
        drop(state);
        wake(reader);
        for writer in writers {
            writer.wake();
        }
    }

    /// Takes out what is queued, for the caller to drop.
    pub(super) fn clear(&self) -> VecDeque<E> {
        let mut state = lock(&self.state);
        state.dropped += state.events.len() as u64;
        std::mem::take(&mut state.events)
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// What a stream says of the rest of it.
    pub(super) fn size_hint(&self) -> (usize, Option<usize>) {
        let state = lock(&self.state);
        let queued = state.events.len() + self.reader.unread.load(Ordering::Acquire);
        let surely = match self.overflow {
            // One more event may take the place of all of them.
            Overflow::Latest if !state.is_closed => queued.min(1),
            _ => queued,
        };
        (surely, state.is_closed.then_some(queued))
    }

    pub(super) fn stats(&self) -> InboxStats {
        let state = lock(&self.state);
        let unread = self.reader.unread.load(Ordering::Acquire);
        InboxStats {
            received: state.received,
            taken: state.lent_ever - unread as u64,
            dropped: state.dropped,
            refused: state.refused,
            queued: state.events.len() + unread,
            waiting: state.writers.len(),
            peak: state.peak,
        }
    }

    fn has_room(&self, state: &mut State<E>) -> bool {
        if state.events.len() + state.lent >= self.capacity {
            // Looked at only now: it is the reader's, and costs to share.
            state.lent = self.reader.unread.load(Ordering::SeqCst);
        }
        state.events.len() + state.lent < self.capacity
    }

    /// Returns the reader, if it sleeps, to be woken after the lock is released.
    fn push(&self, state: &mut State<E>, event: E) -> Option<Waker> {
        state.events.push_back(event);
        if state.events.len() + state.lent > state.peak {
            state.lent = self.reader.unread.load(Ordering::Acquire);
            state.peak = state.peak.max(state.events.len() + state.lent);
        }
        state.reader.take()
    }

    /// Whose turn it is, if there is room and nobody has been told.
    fn next_writer(&self, state: &mut State<E>) -> Option<Waker> {
        let is_asleep = state.writers.front().is_some_and(|first| !first.is_woken);
        // Said before the look, as when it began to wait.
        self.reader.wants_room.store(is_asleep, Ordering::SeqCst);
        if !is_asleep || !self.has_room(state) {
            return None;
        }
        self.reader.wants_room.store(false, Ordering::SeqCst);
        let first = state.writers.front_mut()?;
        first.is_woken = true;
        Some(first.waker.clone())
    }
}

impl<E> State<E> {
    /// Keeps a writer's place in the line, or gives it the last one.
    fn wait(&mut self, ticket: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let mut waiting = self.writers.iter_mut();
        if let Some(writer) = waiting.find(|writer| Some(writer.ticket) == *ticket) {
            writer.is_woken = false;
            return Some(std::mem::replace(&mut writer.waker, waker));
        }
        let own = self.next_ticket;
        self.next_ticket += 1;
        *ticket = Some(own);
        self.writers.push_back(Writer {
            ticket: own,
            waker,
            is_woken: false,
        });
        None
    }

    /// Takes a writer out of the line, to be dropped without the lock.
    fn leave(&mut self, ticket: u64) -> Option<Writer> {
        let mut waiting = self.writers.iter();
        let index = waiting.position(|writer| writer.ticket == ticket)?;
        self.writers.remove(index)
    }
}

fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}
