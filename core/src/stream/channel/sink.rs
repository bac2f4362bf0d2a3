//! A sender as a sink.

use super::{SendError, Sender, Unfinished, queue::Sent, state::Entry};
use crate::{stream::Stats, wait_queue::WaitTicket};
use futures::Sink;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A [`Sender`] as a [`Sink`]: what [`Sender::into_sink`] makes.
///
/// An item there is no room for waits in the sink, which is not ready for
/// another meanwhile. Its errors have no item to give back.
///
/// - **Closed**, it flushes and drops its sender.
/// - **Dropped before that**, it was given up: the channel
///   [fails](Sender::fail) with [`Unfinished`], so that the reader does not
///   mistake a part for the whole. An item that waits in it is dropped.
/// - **Cloned**, the clone is a sink of its own into the same channel, with nothing
///   waiting in it. Each is to be closed; the channel is closed with the last of
///   its senders and sinks.
/// - **Kept** without being polled, for instance after a timeout, it costs others
///   at most the one place that is reserved for the item in it.
/// - **Cancelled**: it is polled, so there is nothing to cancel.
///
/// Flushed, it wakes the task that did so when the channel ends: whoever has
/// nothing to send learns of it all the same.
///
/// ```
/// use futures::{StreamExt, TryStreamExt, future, stream};
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// # futures::executor::block_on(async {
/// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
/// let numbers = stream::iter(0..100).map(Ok).forward(sender.into_sink());
/// let (sent, sum) = future::join(numbers, receiver.try_fold(0, async |sum, n| Ok(sum + n))).await;
/// sent?;
/// assert_eq!(sum?, 4950);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub struct ChannelSink<T> {
    /// Until it is closed.
    sender: Option<Sender<T>>,
    slot: Option<Entry<T>>,
    ticket: WaitTicket,
    /// Of the task that waits for something to send.
    closing: WaitTicket,
}

impl<T> ChannelSink<T> {
    pub(super) fn new(sender: Sender<T>) -> Self {
        ChannelSink {
            sender: Some(sender),
            slot: None,
            ticket: WaitTicket::default(),
            closing: WaitTicket::default(),
        }
    }

    /// What went through the channel so far; `None` once it is closed.
    pub fn stats(&self) -> Option<Stats> {
        self.sender.as_ref().map(Sender::stats)
    }

    /// Queues what waits in it.
    fn poll_slot(&mut self, context: &mut Context<'_>) -> Poll<Result<(), SendError>> {
        let Some(sender) = &self.sender else {
            return Poll::Ready(Err(SendError::Closed(())));
        };
        if self.slot.is_none() {
            return Poll::Ready(Ok(()));
        }
        let sent = sender
            .0
            .poll_send(&mut self.ticket, &mut self.slot, context);
        sent.map_err(SendError::without_value)
    }

    fn stop_watching(&mut self) {
        if let Some(sender) = &self.sender
            && self.closing.is_held()
        {
            sender.0.stop_closed(&mut self.closing);
        }
    }
}

impl<T> Clone for ChannelSink<T> {
    fn clone(&self) -> Self {
        ChannelSink {
            sender: self.sender.clone(),
            slot: None,
            ticket: WaitTicket::default(),
            closing: WaitTicket::default(),
        }
    }
}

impl<T> Sink<T> for ChannelSink<T> {
    type Error = SendError;

    fn poll_ready(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        ready!(self.poll_slot(context))?;
        if self.sender.as_ref().is_some_and(Sender::is_closed) {
            return Poll::Ready(Err(SendError::Closed(())));
        }
        Poll::Ready(Ok(()))
    }

    fn start_send(mut self: Pin<&mut Self>, value: T) -> Result<(), SendError> {
        let Some(sender) = &self.sender else {
            return Err(SendError::Closed(()));
        };
        match sender.0.send(value, true) {
            Sent::Done => Ok(()),
            Sent::Refused(error) => Err(error.without_value()),
            Sent::NoRoom(entry) => {
                self.slot = Some(entry);
                Ok(())
            }
        }
    }

    fn poll_flush(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        ready!(self.poll_slot(context))?;
        let own = &mut *self;
        if let Some(sender) = &own.sender
            && sender.0.poll_closed(&mut own.closing, context).is_ready()
        {
            // All is queued, and that may still be read. The next item may not.
            context.waker().wake_by_ref();
        }
        Poll::Ready(Ok(()))
    }

    fn poll_close(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<(), SendError>> {
        if self.sender.is_some() {
            ready!(self.poll_slot(context))?;
            self.stop_watching();
            self.sender = None;
        }
        Poll::Ready(Ok(()))
    }
}

/// Nothing in it is ever pinned.
impl<T> Unpin for ChannelSink<T> {}

impl<T> Drop for ChannelSink<T> {
    fn drop(&mut self) {
        self.stop_watching();
        if let Some(sender) = &self.sender {
            if self.ticket.is_held() {
                sender.0.stop_waiting(&mut self.ticket);
            }
            sender.fail(Unfinished);
        }
    }
}

impl<T> fmt::Debug for ChannelSink<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelSink")
            .field("sender", &self.sender)
            .field("is_waiting", &self.slot.is_some())
            .finish_non_exhaustive()
    }
}
