//! The `Sink` of a channel.

use super::{SendError, Sender, Unfinished, queue::QueuedItem};
use crate::{
    bounded_queue::{SendAttempt, WaitTicket},
    stream::Stats,
};
use futures_util::Sink;
use std::{
    fmt,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// A [`Sink`] that sends into a channel, created by [`Sender::into_sink`].
///
/// - **Full**: the sink holds one item until the channel has room, and is not ready for
///   another one. With [`Overflow::Fail`](crate::Overflow::Fail), the send fails.
/// - **Ended**: every send fails with [`SendError::Closed`]. Sink errors do not contain
///   the item.
/// - **Closed**: the sink flushes its item and drops its sender.
/// - **Dropped before it is closed**: the sink [fails](Sender::fail) the channel with
///   [`Unfinished`], so that the reader knows the items are incomplete. An item it
///   still holds is dropped.
/// - **Cloned**: the clone is a separate, empty sink of the same channel. Close each of
///   them; the channel closes with the last of its senders and sinks.
/// - **Not polled**, for instance after a timeout: the sink blocks at most the slot
///   reserved for its item.
///
/// The task that last flushed the sink is woken when the channel ends, so that an idle
/// producer can stop.
///
/// ```
/// use futures::{StreamExt, TryStreamExt, executor::block_on, future, stream};
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
/// let numbers = stream::iter(0..100).map(Ok).forward(sender.into_sink());
/// let sum = receiver.try_fold(0, async |sum, n| Ok(sum + n));
/// let (sent, sum) = block_on(future::join(numbers, sum));
/// sent?;
/// assert_eq!(sum?, 4950);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct ChannelSink<T> {
    /// `None` once the sink is closed.
    sender: Option<Sender<T>>,
    slot: Option<QueuedItem<T>>,
    ticket: WaitTicket,
    /// Registers the flushing task to be woken when the channel ends.
    end_ticket: WaitTicket,
}

impl<T> Sender<T> {
    /// Converts the sender into a [`Sink`].
    ///
    /// Close the sink after the last item. Dropping an unclosed sink fails the channel
    /// with [`Unfinished`].
    ///
    /// ```
    /// use futures::{SinkExt, TryStreamExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// let mut sink = sender.into_sink();
    /// block_on(async {
    ///     sink.send(1).await?;
    ///     sink.send(2).await?;
    ///     sink.close().await
    /// })?;
    /// assert_eq!(block_on(receiver.try_collect::<Vec<_>>())?, [1, 2]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn into_sink(self) -> ChannelSink<T> {
        ChannelSink {
            sender: Some(self),
            slot: None,
            ticket: WaitTicket::default(),
            end_ticket: WaitTicket::default(),
        }
    }
}

impl<T> ChannelSink<T> {
    /// Returns a snapshot of the channel's counters, or `None` once the sink is closed.
    ///
    /// ```
    /// use futures::{SinkExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, _receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// let mut sink = sender.into_sink();
    /// block_on(sink.send("item"))?;
    /// assert_eq!(sink.stats().unwrap().sent.items, 1);
    /// block_on(sink.close())?;
    /// assert!(sink.stats().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Option<Stats> {
        self.sender.as_ref().map(Sender::stats)
    }

    /// Queues the sink's pending item.
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
        sent.map_err(|_| SendError::Closed(()))
    }

    fn stop_waiting_for_end(&mut self) {
        if let Some(sender) = &self.sender {
            sender.0.cancel_closed(&mut self.end_ticket);
        }
    }
}

impl<T> Clone for ChannelSink<T> {
    fn clone(&self) -> Self {
        ChannelSink {
            sender: self.sender.clone(),
            slot: None,
            ticket: WaitTicket::default(),
            end_ticket: WaitTicket::default(),
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
        match sender.0.send(sender.0.weigh(value), true) {
            SendAttempt::Sent => Ok(()),
            SendAttempt::Full(_) => Err(SendError::Full(())),
            SendAttempt::Closed(_) => Err(SendError::Closed(())),
            SendAttempt::NoRoom(item) => {
                self.slot = Some(item);
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
            && sender
                .0
                .poll_closed(&mut own.end_ticket, context)
                .is_ready()
        {
            // The queued items may still be read, so this flush succeeds. Waking the
            // producer makes it poll again, and its next send fails.
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
            self.stop_waiting_for_end();
            self.sender = None;
        }
        Poll::Ready(Ok(()))
    }
}

// No field is pinned.
impl<T> Unpin for ChannelSink<T> {}

impl<T> Drop for ChannelSink<T> {
    fn drop(&mut self) {
        self.stop_waiting_for_end();
        if let Some(sender) = &self.sender {
            sender.0.cancel_wait(&mut self.ticket);
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
