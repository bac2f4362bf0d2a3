//! Senders that may have to wait.

use super::{
    SendError,
    queue::{Queue, Sent},
    state::Entry,
};
use crate::line::Ticket;
use futures::future::FusedFuture;
use std::{
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// The future of [`Sender::send`](super::Sender::send).
///
/// Polling it after it has completed panics; [`FusedFuture`] tells whether it has.
#[must_use = "futures do nothing unless awaited"]
pub struct Sending<'a, T> {
    queue: &'a Queue<T>,
    /// Until it is first polled.
    value: Option<T>,
    /// While it waits.
    slot: Option<Entry<T>>,
    ticket: Ticket,
}

/// The future of [`Sender::ready`](super::Sender::ready). Polled after it has
/// completed, it asks again.
#[must_use = "futures do nothing unless awaited"]
pub struct Ready<'a, T> {
    queue: &'a Queue<T>,
    ticket: Ticket,
}

/// The future of [`Sender::reserve`](super::Sender::reserve).
///
/// Polling it after it has completed panics; [`FusedFuture`] tells whether it has.
#[must_use = "futures do nothing unless awaited"]
pub struct Reserving<'a, T> {
    queue: &'a Queue<T>,
    ticket: Ticket,
    has_completed: bool,
}

/// The future of [`Sender::closed`](super::Sender::closed). Polled after it has
/// completed, it answers the same.
#[must_use = "futures do nothing unless awaited"]
pub struct Closed<'a, T> {
    queue: &'a Queue<T>,
    ticket: Ticket,
}

/// A place in a [`channel`](super::channel), held for one item: what
/// [`Sender::reserve`](super::Sender::reserve) returns.
///
/// It counts as one item of weight 1 for everybody else. Dropped, it gives the
/// place back and wakes the next sender that waits. An end of the channel does not
/// wait for it.
#[must_use = "dropping a permit gives its place back"]
pub struct Permit<'a, T> {
    queue: &'a Queue<T>,
}

impl<'a, T> Sending<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>, value: T) -> Self {
        Sending {
            queue,
            value: Some(value),
            slot: None,
            ticket: Ticket::default(),
        }
    }
}

impl<'a, T> Ready<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        Ready {
            queue,
            ticket: Ticket::default(),
        }
    }
}

impl<'a, T> Reserving<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        Reserving {
            queue,
            ticket: Ticket::default(),
            has_completed: false,
        }
    }
}

impl<'a, T> Closed<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        Closed {
            queue,
            ticket: Ticket::default(),
        }
    }
}

impl<'a, T> Permit<'a, T> {
    /// The place is held by now.
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        Permit { queue }
    }

    /// Queues an item at the place held, whatever it weighs. It never waits.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] if the channel has ended meanwhile; the item is given
    /// back.
    pub fn send(self, value: T) -> Result<(), SendError<T>> {
        let queue = self.queue;
        let weight = queue.bound().weight_of(&value);
        // From here on the place is the item's.
        std::mem::forget(self);
        queue.send_held(Entry { value, weight })
    }
}

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        if let Some(value) = own.value.take() {
            // Seldom has it to wait, and then it needs no place in the line.
            match own.queue.send(value, true) {
                Sent::Done => return Poll::Ready(Ok(())),
                Sent::Refused(error) => return Poll::Ready(Err(error)),
                Sent::NoRoom(entry) => own.slot = Some(entry),
            }
        }
        assert!(own.slot.is_some(), "`Sending` polled after completion");
        own.queue.poll_send(&mut own.ticket, &mut own.slot, context)
    }
}

impl<T> FusedFuture for Sending<'_, T> {
    fn is_terminated(&self) -> bool {
        self.value.is_none() && self.slot.is_none()
    }
}

impl<T> Future for Ready<'_, T> {
    type Output = Result<(), SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        own.queue.poll_ready(&mut own.ticket, context)
    }
}

impl<'a, T> Future for Reserving<'a, T> {
    type Output = Result<Permit<'a, T>, SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        assert!(!own.has_completed, "`Reserving` polled after completion");
        let polled = own.queue.poll_reserve(&mut own.ticket, context);
        own.has_completed = polled.is_ready();
        polled.map_ok(|()| Permit::new(own.queue))
    }
}

impl<T> FusedFuture for Reserving<'_, T> {
    fn is_terminated(&self) -> bool {
        self.has_completed
    }
}

impl<T> Future for Closed<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let own = self.get_mut();
        own.queue.poll_closed(&mut own.ticket, context)
    }
}

/// Nothing in it is ever pinned.
impl<T> Unpin for Sending<'_, T> {}

impl<T> Drop for Sending<'_, T> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_waiting(&mut self.ticket);
        }
    }
}

impl<T> Drop for Ready<'_, T> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_waiting(&mut self.ticket);
        }
    }
}

impl<T> Drop for Reserving<'_, T> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_waiting(&mut self.ticket);
        }
    }
}

impl<T> Drop for Closed<'_, T> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_closed(&mut self.ticket);
        }
    }
}

impl<T> Drop for Permit<'_, T> {
    fn drop(&mut self) {
        self.queue.release();
    }
}

impl<T> fmt::Debug for Permit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit").finish_non_exhaustive()
    }
}
