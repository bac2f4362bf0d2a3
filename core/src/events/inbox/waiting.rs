//! An emit that waits for room.

use super::queue::Queue;
use crate::{BoxError, wait_queue::WaitTicket};
use std::{
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// Completes when its event is queued, or the inbox is closed.
pub(super) struct Waiting<E> {
    queue: Arc<Queue<E>>,
    event: Option<E>,
    ticket: WaitTicket,
}

impl<E> Waiting<E> {
    pub(super) fn new(queue: Arc<Queue<E>>, event: E) -> Self {
        Waiting {
            queue,
            event: Some(event),
            ticket: WaitTicket::default(),
        }
    }
}

impl<E> Future for Waiting<E> {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Waiting {
            queue,
            event,
            ticket,
        } = self.get_mut();
        queue.poll_send(ticket, event, context).map(Ok)
    }
}

/// Nothing in it is ever pinned.
impl<E> Unpin for Waiting<E> {}

impl<E> Drop for Waiting<E> {
    fn drop(&mut self) {
        if self.ticket.is_held() {
            self.queue.stop_waiting(&mut self.ticket);
        }
    }
}
