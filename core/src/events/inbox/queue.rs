//! The queue of an inbox.

use super::{InboxFull, InboxStats};
use crate::{
    BoxError, Overflow,
    sync::{AtomicBool, AtomicUsize, CachePadded, Mutex, Ordering, lock},
    wait_queue::{WaitOutcome, WaitQueue, WaitTicket, Wakers, wake},
};
use std::{
    collections::VecDeque,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// A bounded queue with any number of writers and one reader.
///
/// The reader takes events in batches, so that it and the writers rarely contend for
/// the lock. Unread events of its batch still count as queued, so the bound is exact.
///
/// No user code runs under the lock. Wakers are cloned, dropped and woken, and events
/// are dropped, after it is released, the wakers first.
pub(super) struct InboxQueue<E> {
    capacity: usize,
    overflow: Overflow,
    state: Mutex<State<E>>,
    /// On a separate cache line from the writers' lock, since sharing one would move
    /// it between cores with each event.
    reader: CachePadded<ReaderState>,
}

/// The fields that the reader accesses with each event.
struct ReaderState {
    /// The unread events of the reader's batch. Only the reader writes it.
    unread: AtomicUsize,
    /// Set while a writer waits for room. The reader checks it without the lock.
    wants_room: AtomicBool,
}

struct State<E> {
    events: VecDeque<E>,
    /// The unread events of the reader's batch when last checked: an upper bound.
    batched: usize,
    is_closed: bool,
    reader: Option<Waker>,
    writers: WaitQueue,
    sent: u64,
    dropped: u64,
    refused: u64,
    batched_total: u64,
    peak: usize,
}

/// The result of sending an event.
pub(super) enum SendOutcome<E> {
    Done,
    /// There is no room, and the event may wait.
    Full(E),
    Refused(InboxFull),
}

impl<E> InboxQueue<E> {
    pub(super) fn new(capacity: usize, overflow: Overflow) -> Self {
        InboxQueue {
            capacity,
            overflow,
            state: Mutex::new(State {
                events: VecDeque::new(),
                batched: 0,
                is_closed: false,
                reader: None,
                writers: WaitQueue::default(),
                sent: 0,
                dropped: 0,
                refused: 0,
                batched_total: 0,
                peak: 0,
            }),
            reader: CachePadded::new(ReaderState {
                unread: AtomicUsize::new(0),
                wants_room: AtomicBool::new(false),
            }),
        }
    }

    pub(super) fn capacity(&self) -> usize {
        self.capacity
    }

    /// Queues an event, or applies the overflow policy.
    pub(super) fn send(&self, event: E, may_wait: bool) -> SendOutcome<E> {
        let mut state = lock(&self.state);
        if state.is_closed {
            state.sent += 1;
            state.dropped += 1;
            drop(state);
            drop(event);
            return SendOutcome::Done;
        }
        if self.admits(&mut state) {
            state.sent += 1;
            let reader = self.push(&mut state, event);
            drop(state);
            wake(reader);
            return SendOutcome::Done;
        }
        match self.overflow {
            Overflow::Wait if may_wait => return SendOutcome::Full(event),
            Overflow::Wait | Overflow::Fail => {
                state.sent += 1;
                state.refused += 1;
                drop(state);
                drop(event);
                return SendOutcome::Refused(InboxFull {
                    capacity: self.capacity,
                });
            }
            Overflow::DropNewest => {
                state.sent += 1;
                state.dropped += 1;
                drop(state);
                drop(event);
            }
            Overflow::DropOldest => {
                state.sent += 1;
                state.dropped += 1;
                let oldest = state.events.pop_front();
                let reader = self.push(&mut state, event);
                drop(state);
                wake(reader);
                drop(oldest);
            }
            Overflow::Latest => {
                state.sent += 1;
                state.dropped += state.events.len() as u64;
                let all = std::mem::take(&mut state.events);
                let reader = self.push(&mut state, event);
                drop(state);
                wake(reader);
                drop(all);
            }
        }
        SendOutcome::Done
    }

    /// Queues the event of a waiting writer when it is its turn and there is room.
    /// The first call that has to wait assigns the `ticket`.
    pub(super) fn poll_send(
        &self,
        ticket: &mut WaitTicket,
        event: &mut Option<E>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let mut wakers = Wakers::default();
        // `send` found no room, so this will probably wait: clone the waker outside the lock.
        let mut own = (!ticket.is_held()).then(|| context.waker().clone());
        let mut state = loop {
            let mut state = lock(&self.state);
            // Stored before the check, so that either this sees a concurrent read or
            // the reader sees this.
            self.reader.wants_room.store(true, Ordering::SeqCst);
            let may_pass = if state.writers.is_woken(ticket) {
                self.has_room(&mut state)
            } else if ticket.is_held() {
                state.writers.is_first(ticket) && self.has_unreserved(&mut state)
            } else {
                self.admits(&mut state)
            };
            if state.is_closed || may_pass {
                break state;
            }
            let waker = context.waker();
            let slept = state.writers.wait(ticket, waker, &mut own, 1);
            drop(state);
            match slept {
                WaitOutcome::Waiting(_before) => return Poll::Pending,
                WaitOutcome::NeedsWaker => own = Some(waker.clone()),
            }
        };
        state.sent += 1;
        let mut gone = None;
        if state.is_closed {
            state.dropped += 1;
            gone = event.take();
        } else if let Some(event) = event.take() {
            wakers.extend(self.push(&mut state, event));
        }
        let left = state.writers.remove(ticket);
        self.wake_writer(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
        drop((left, own, gone));
        Poll::Ready(())
    }

    /// Stops waiting, and wakes the next writer if there is room.
    pub(super) fn stop_waiting(&self, ticket: &mut WaitTicket) {
        let mut wakers = Wakers::default();
        let mut state = lock(&self.state);
        let left = state.writers.remove(ticket);
        self.wake_writer(&mut state, &mut wakers);
        drop(state);
        wakers.wake();
        drop(left);
    }

    /// Moves events to the reader's empty `batch`. Returns `None` if there are none
    /// yet; the waker is then called when that changes. Returns `Some(false)` if
    /// there will be none.
    pub(super) fn poll_batch(
        &self,
        batch: &mut VecDeque<E>,
        context: Option<&Context<'_>>,
    ) -> Option<bool> {
        let waker = context.map(Context::waker);
        let mut own: Option<Waker> = None;
        loop {
            let mut state = lock(&self.state);
            let waiting = state.events.len();
            let len = match self.overflow {
                // The oldest must stay here, where a new event can replace it.
                Overflow::DropOldest | Overflow::Latest => waiting.min(1),
                // The rest is room for writers while the reader reads.
                _ => waiting.min(self.capacity.div_ceil(2)),
            };
            if len > 0 {
                batch.extend(state.events.drain(..len));
                // The caller reads the first one at once.
                state.batched = len - 1;
                self.reader.unread.store(len - 1, Ordering::SeqCst);
                state.batched_total += len as u64;
                // The reader is awake.
                let before = state.reader.take();
                let mut wakers = Wakers::default();
                self.wake_writer(&mut state, &mut wakers);
                drop(state);
                wakers.wake();
                drop(before);
                return Some(true);
            }
            if state.is_closed {
                return Some(false);
            }
            let waker = waker?;
            let knows = |reader: &Waker| reader.will_wake(waker);
            if state.reader.as_ref().is_some_and(knows) {
                return None;
            }
            if let Some(own) = own.take() {
                let before = state.reader.replace(own);
                drop(state);
                drop(before);
                return None;
            }
            drop(state);
            own = Some(waker.clone());
        }
    }

    /// Records that the reader has taken an event of its batch, and wakes a waiting
    /// writer.
    pub(super) fn read(&self, unread: usize) {
        self.reader.unread.store(unread, Ordering::SeqCst);
        if self.reader.wants_room.load(Ordering::SeqCst) {
            let mut wakers = Wakers::default();
            self.wake_writer(&mut lock(&self.state), &mut wakers);
            wakers.wake();
        }
    }

    /// Accepts no more events, and wakes all waiting writers.
    pub(super) fn close(&self) {
        let mut wakers = Wakers::default();
        let mut state = lock(&self.state);
        state.is_closed = true;
        wakers.extend(state.reader.take());
        state.writers.wake_all(&mut wakers);
        drop(state);
        wakers.wake();
    }

    /// Removes the queued events, for the caller to drop, and counts them and the
    /// unread batch as dropped.
    pub(super) fn clear(&self) -> VecDeque<E> {
        let mut state = lock(&self.state);
        let unread = self.reader.unread.swap(0, Ordering::SeqCst) as u64;
        state.batched = 0;
        state.batched_total -= unread;
        state.dropped += state.events.len() as u64 + unread;
        std::mem::take(&mut state.events)
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).is_closed
    }

    /// Returns the size hint of the stream.
    pub(super) fn size_hint(&self) -> (usize, Option<usize>) {
        let state = lock(&self.state);
        let queued = state.events.len() + self.reader.unread.load(Ordering::Acquire);
        let surely = match self.overflow {
            // One more event may replace all of them.
            Overflow::Latest if !state.is_closed => queued.min(1),
            _ => queued,
        };
        (surely, state.is_closed.then_some(queued))
    }

    pub(super) fn stats(&self) -> InboxStats {
        let state = lock(&self.state);
        let unread = self.reader.unread.load(Ordering::Acquire);
        InboxStats {
            sent: state.sent,
            received: state.batched_total - unread as u64,
            dropped: state.dropped,
            refused: state.refused,
            queued: state.events.len() + unread,
            waiting: state.writers.len(),
            peak: state.peak,
        }
    }

    /// Returns whether a new event may be queued. It must not overtake a sleeping
    /// writer, and woken writers have slots reserved. If nothing is queued, woken
    /// writers that do not claim their slots do not block new events.
    fn admits(&self, state: &mut State<E>) -> bool {
        if state.writers.has_sleeper() || !self.has_room(state) {
            return false;
        }
        if state.writers.reserved() == 0 {
            return true;
        }
        let is_empty = |state: &State<E>| state.events.is_empty() && state.batched == 0;
        self.has_unreserved(state) || is_empty(state) && !state.writers.is_firm()
    }

    /// Returns whether there is room besides the reserved slots.
    fn has_unreserved(&self, state: &mut State<E>) -> bool {
        let reserved = state.writers.reserved();
        if state.events.len() + state.batched + reserved >= self.capacity {
            // Read only now, since it is on the cache line of the reader.
            state.batched = self.reader.unread.load(Ordering::SeqCst);
        }
        state.events.len() + state.batched + reserved < self.capacity
    }

    fn has_room(&self, state: &mut State<E>) -> bool {
        if state.events.len() + state.batched >= self.capacity {
            state.batched = self.reader.unread.load(Ordering::SeqCst);
        }
        state.events.len() + state.batched < self.capacity
    }

    /// Queues an event and returns the waker of a sleeping reader, to be called after
    /// the lock is released.
    #[inline]
    fn push(&self, state: &mut State<E>, event: E) -> Option<Waker> {
        state.events.push_back(event);
        if state.events.len() + state.batched > state.peak {
            state.batched = self.reader.unread.load(Ordering::Acquire);
            state.peak = state.peak.max(state.events.len() + state.batched);
        }
        state.reader.take()
    }

    /// Wakes the first sleeping writer if a slot can be reserved for it. Called
    /// whenever a slot becomes free.
    fn wake_writer(&self, state: &mut State<E>, wakers: &mut Wakers) {
        let has_sleeper = state.writers.has_sleeper();
        // Stored before the check, as in `poll_send`.
        self.reader.wants_room.store(has_sleeper, Ordering::SeqCst);
        if has_sleeper && self.has_unreserved(state) {
            let first = state.writers.wake_first();
            wakers.extend(first.map(|(waker, _)| waker));
            let has_sleeper = state.writers.has_sleeper();
            self.reader.wants_room.store(has_sleeper, Ordering::SeqCst);
        }
    }
}

/// A future that completes when its event is queued or the inbox is closed.
pub(super) struct WaitingSend<E> {
    queue: Arc<InboxQueue<E>>,
    event: Option<E>,
    ticket: WaitTicket,
}

impl<E> WaitingSend<E> {
    pub(super) fn new(queue: Arc<InboxQueue<E>>, event: E) -> Self {
        WaitingSend {
            queue,
            event: Some(event),
            ticket: WaitTicket::default(),
        }
    }
}

impl<E> Future for WaitingSend<E> {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let WaitingSend {
            queue,
            event,
            ticket,
        } = self.get_mut();
        queue.poll_send(ticket, event, context).map(Ok)
    }
}

/// No field is pinned.
impl<E> Unpin for WaitingSend<E> {}

impl<E> Drop for WaitingSend<E> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_waiting(&mut self.ticket);
        }
    }
}
