//! Senders that may have to wait.

use super::{
    SendError,
    queue::{Queue, Sent},
    state::Entry,
};
use crate::wait_queue::WaitTicket;
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
pub struct SendFuture<'a, T> {
    queue: &'a Queue<T>,
    /// Until it is first polled.
    value: Option<T>,
    /// While it waits.
    slot: Option<Entry<T>>,
    ticket: WaitTicket,
}

/// The future of [`Sender::ready`](super::Sender::ready). Polled after it has
/// completed, it asks again.
#[must_use = "futures do nothing unless awaited"]
pub struct ReadyFuture<'a, T> {
    queue: &'a Queue<T>,
    ticket: WaitTicket,
}

/// The future of [`Sender::reserve`](super::Sender::reserve).
///
/// Polling it after it has completed panics; [`FusedFuture`] tells whether it has.
#[must_use = "futures do nothing unless awaited"]
pub struct ReserveFuture<'a, T> {
    queue: &'a Queue<T>,
    ticket: WaitTicket,
    has_completed: bool,
}

/// The future of [`Sender::closed`](super::Sender::closed). Polled after it has
/// completed, it answers the same.
#[must_use = "futures do nothing unless awaited"]
pub struct ClosedFuture<'a, T> {
    queue: &'a Queue<T>,
    ticket: WaitTicket,
}

/// A place in a [`channel`](super::channel), held for one item: what
/// [`Sender::reserve`](super::Sender::reserve) returns.
///
/// It counts as one item of weight 1 for everybody else. Dropped, it gives the
/// place back and wakes the next sender that waits. An end of the channel does not
/// wait for it.
#[must_use = "dropping a permit gives its place back"]
pub struct SendPermit<'a, T> {
    queue: &'a Queue<T>,
}

impl<'a, T> SendFuture<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>, value: T) -> Self {
        SendFuture {
            queue,
            value: Some(value),
            slot: None,
            ticket: WaitTicket::default(),
        }
    }
}

impl<'a, T> ReadyFuture<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        ReadyFuture {
            queue,
            ticket: WaitTicket::default(),
        }
    }
}

impl<'a, T> ReserveFuture<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        ReserveFuture {
            queue,
            ticket: WaitTicket::default(),
            has_completed: false,
        }
    }
}

impl<'a, T> ClosedFuture<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        ClosedFuture {
            queue,
            ticket: WaitTicket::default(),
        }
    }
}

impl<'a, T> SendPermit<'a, T> {
    /// The place is held by now.
    pub(super) fn new(queue: &'a Queue<T>) -> Self {
        SendPermit { queue }
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

impl<T> Future for SendFuture<'_, T> {
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
        assert!(own.slot.is_some(), "`SendFuture` polled after completion");
        own.queue.poll_send(&mut own.ticket, &mut own.slot, context)
    }
}

impl<T> FusedFuture for SendFuture<'_, T> {
    fn is_terminated(&self) -> bool {
        self.value.is_none() && self.slot.is_none()
    }
}

impl<T> Future for ReadyFuture<'_, T> {
    type Output = Result<(), SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        own.queue.poll_ready(&mut own.ticket, context)
    }
}

impl<'a, T> Future for ReserveFuture<'a, T> {
    type Output = Result<SendPermit<'a, T>, SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        assert!(
            !own.has_completed,
            "`ReserveFuture` polled after completion"
        );
        let polled = own.queue.poll_reserve(&mut own.ticket, context);
        own.has_completed = polled.is_ready();
        polled.map_ok(|()| SendPermit::new(own.queue))
    }
}

impl<T> FusedFuture for ReserveFuture<'_, T> {
    fn is_terminated(&self) -> bool {
        self.has_completed
    }
}

impl<T> Future for ClosedFuture<'_, T> {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let own = self.get_mut();
        own.queue.poll_closed(&mut own.ticket, context)
    }
}

/// Nothing in it is ever pinned.
impl<T> Unpin for SendFuture<'_, T> {}

impl<T> Drop for SendFuture<'_, T> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_waiting(&mut self.ticket);
        }
    }
}

impl<T> Drop for ReadyFuture<'_, T> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_waiting(&mut self.ticket);
        }
    }
}

impl<T> Drop for ReserveFuture<'_, T> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_waiting(&mut self.ticket);
        }
    }
}

impl<T> Drop for ClosedFuture<'_, T> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_closed(&mut self.ticket);
        }
    }
}

impl<T> Drop for SendPermit<'_, T> {
    fn drop(&mut self) {
        self.queue.release();
    }
}

impl<T> fmt::Debug for SendPermit<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SendPermit").finish_non_exhaustive()
    }
}
