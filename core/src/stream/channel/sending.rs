//! Senders that may have to wait.

use super::{
    SendError,
    line::Ticket,
    queue::{Queue, Sent},
};
use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

/// The future of [`Sender::send`](super::Sender::send).
#[must_use = "futures do nothing unless awaited"]
pub struct Sending<'a, T> {
    queue: &'a Queue<T>,
    value: Option<T>,
    ticket: Ticket,
}

/// The future of [`Sender::ready`](super::Sender::ready).
#[must_use = "futures do nothing unless awaited"]
pub struct Ready<'a, T> {
    queue: &'a Queue<T>,
    ticket: Ticket,
}

impl<'a, T> Sending<'a, T> {
    pub(super) fn new(queue: &'a Queue<T>, value: T) -> Self {
        Sending {
            queue,
            value: Some(value),
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

impl<T> Future for Sending<'_, T> {
    type Output = Result<(), SendError<T>>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        if !own.ticket.is_held() {
            // Seldom has it to wait, and then it needs no place in the line.
            let Some(value) = own.value.take() else {
                return Poll::Ready(Ok(()));
            };
            match own.queue.send(value, true) {
                Sent::Done => return Poll::Ready(Ok(())),
                Sent::Refused(error) => return Poll::Ready(Err(error)),
                Sent::NoRoom(value) => own.value = Some(value),
            }
        }
        let Sending {
            queue,
            value,
            ticket,
        } = own;
        queue.poll_send(ticket, value, context)
    }
}

impl<T> Future for Ready<'_, T> {
    type Output = Result<(), SendError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        own.queue.poll_ready(&mut own.ticket, context)
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
