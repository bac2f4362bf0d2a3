//! The receiving end of a channel.

use super::{
    ChannelMonitor, StreamError, TryRecvError,
    queue::{ChannelQueue, QueuedItem},
};
use crate::{
    bounded_queue::{Batch, QueueEnd},
    stream::{Bound, Stats},
    sync::Arc,
};
use futures_util::{Stream, stream::FusedStream};
use std::{
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// The receiving end of a [`channel`](super::channel), a [`Stream`] of `Result`s.
///
/// A channel that failed or was aborted yields its error once, then ends, so it cannot
/// be mistaken for a complete one. The adapters of `futures::TryStreamExt` stop at the
/// error.
///
/// - **Empty**: a read waits for an item or the end.
/// - **Dropped**: the receiver ends the channel and drops the queued items. Waiting
///   senders get their items back.
/// - **Cancelled**: a pending read loses no items.
///
/// `next` of `futures::StreamExt` receives one item. [`monitor`](Self::monitor) returns
/// a handle that reads the statistics after the receiver has moved into a pipeline.
///
/// ```
/// use futures::{TryStreamExt, executor::block_on};
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
/// sender.try_send(1)?;
/// sender.fail("the disk is gone");
/// assert_eq!(block_on(receiver.try_next())?, Some(1));
/// assert!(block_on(receiver.try_next()).unwrap_err().is_failed());
/// assert_eq!(block_on(receiver.try_next())?, None);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[must_use = "dropping the receiver ends the channel"]
#[doc(alias = "recv")]
pub struct Receiver<T> {
    queue: Arc<ChannelQueue<T>>,
    /// Items taken out of the queue, so that they are read without locking it.
    batch: Batch<QueuedItem<T>>,
    has_ended: bool,
}

impl<T> Receiver<T> {
    pub(super) fn new(queue: Arc<ChannelQueue<T>>) -> Self {
        Receiver {
            queue,
            batch: Batch::default(),
            has_ended: false,
        }
    }

    /// Receives the next item without waiting.
    ///
    /// A task waiting on this receiver is still woken by the next item.
    ///
    /// # Errors
    ///
    /// - [`TryRecvError::Empty`] if nothing is queued yet.
    /// - [`TryRecvError::Failed`], once, if the channel failed or was aborted.
    /// - [`TryRecvError::Closed`] after the end.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, TryRecvError, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// assert!(receiver.try_recv().unwrap_err().is_empty());
    /// sender.try_send(1)?;
    /// assert_eq!(receiver.try_recv()?, 1);
    ///
    /// sender.fail("the disk is gone");
    /// assert!(matches!(receiver.try_recv(), Err(TryRecvError::Failed(_))));
    /// assert!(matches!(receiver.try_recv(), Err(TryRecvError::Closed)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_recv(&mut self) -> Result<T, TryRecvError> {
        match self.poll_item(None) {
            Poll::Pending => Err(TryRecvError::Empty),
            Poll::Ready(None) => Err(TryRecvError::Closed),
            Poll::Ready(Some(next)) => next.map_err(TryRecvError::Failed),
        }
    }

    /// Waits for items and appends up to `limit` of them to `items`.
    ///
    /// Returns the number of items appended: 0 at the end of the channel or if `limit`
    /// is 0.
    ///
    /// *Cancelled* by dropping the future, it loses no items.
    ///
    /// # Errors
    ///
    /// [`StreamError`], once, if the channel failed or was aborted. Items queued before
    /// a failure are received first.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(4)?, Overflow::Wait);
    /// for item in 1..=3 {
    ///     sender.try_send(item)?;
    /// }
    /// drop(sender);
    /// let mut items = Vec::new();
    /// assert_eq!(block_on(receiver.recv_many(&mut items, 2))?, 2);
    /// assert_eq!(block_on(receiver.recv_many(&mut items, 2))?, 1);
    /// assert_eq!(block_on(receiver.recv_many(&mut items, 2))?, 0, "the end");
    /// assert_eq!(items, [1, 2, 3]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn recv_many(
        &mut self,
        items: &mut Vec<T>,
        limit: usize,
    ) -> Result<usize, StreamError> {
        poll_fn(|context| self.poll_many(items, limit, context)).await
    }

    /// Closes the channel. Queued items can still be received; waiting senders get
    /// their items back.
    ///
    /// Returns `false`, and does nothing, if the channel had already ended.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// assert!(receiver.close());
    /// assert!(sender.try_send(2).unwrap_err().is_closed());
    /// assert_eq!(receiver.try_recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) -> bool {
        self.queue.close()
    }

    /// Returns whether the channel has ended: it was closed, failed or aborted, or its
    /// last sender was dropped. Items may still be queued, unless it was aborted.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// assert!(!receiver.is_closed());
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// assert_eq!(receiver.try_recv()?, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// Returns the number of queued items. Takes no lock.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// sender.try_send(2)?;
    /// assert_eq!((receiver.len(), receiver.is_full()), (2, true));
    /// receiver.try_recv()?;
    /// assert_eq!((receiver.len(), receiver.is_full()), (1, false));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.queue.len()
    }

    /// Returns whether no items are queued. Takes no lock.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// assert!(!receiver.is_empty());
    /// receiver.try_recv()?;
    /// assert!(receiver.is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether queued items plus permits have reached the high-water mark.
    /// Takes no lock.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel::<u8>(Bound::items(1)?, Overflow::Wait);
    /// let permit = sender.try_reserve()?;
    /// assert!(receiver.is_full());
    /// drop(permit);
    /// assert!(!receiver.is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// Returns the channel's capacity.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (_sender, receiver) = channel::<u8>(Bound::items(8)?.with_low_water_mark(2)?, Overflow::Wait);
    /// assert_eq!((receiver.bound().high_water_mark(), receiver.bound().low_water_mark()), (8, 2));
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
    pub fn bound(&self) -> Bound<T> {
        *self.queue.bound()
    }

    /// Returns a snapshot of the channel's counters.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// sender.try_send(2)?;
    /// receiver.try_recv()?;
    /// let stats = receiver.stats();
    /// assert_eq!((stats.received.items, stats.queued.items, stats.peak), (1, 1, 2));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        self.queue.stats()
    }

    /// Returns a handle that reads the [`stats`](Self::stats), even after the receiver
    /// was moved or dropped.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// let monitor = receiver.monitor();
    /// sender.try_send(1)?;
    /// assert_eq!(monitor.stats().queued.items, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn monitor(&self) -> ChannelMonitor
    where
        T: Send + 'static,
    {
        ChannelMonitor::new(&self.queue)
    }

    fn poll_item(&mut self, context: Option<&Context<'_>>) -> Poll<Option<Result<T, StreamError>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        let end = match ready!(self.queue.poll_read(&mut self.batch, context)) {
            Ok(item) => return Poll::Ready(Some(Ok(item.value))),
            Err(end) => end,
        };
        self.has_ended = true;
        Poll::Ready(match end {
            QueueEnd::Closed => None,
            QueueEnd::Failed(error) => Some(Err(StreamError::Failed(error))),
            QueueEnd::Aborted => Some(Err(StreamError::Aborted)),
        })
    }

    fn poll_many(
        &mut self,
        items: &mut Vec<T>,
        limit: usize,
        context: &Context<'_>,
    ) -> Poll<Result<usize, StreamError>> {
        if limit == 0 {
            return Poll::Ready(Ok(0));
        }
        match ready!(self.poll_item(Some(context))) {
            Some(Ok(first)) => items.push(first),
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None => return Poll::Ready(Ok(0)),
        }
        let push = |item: QueuedItem<T>| items.push(item.value);
        let more = self.queue.read_queued(&mut self.batch, limit - 1, push);
        Poll::Ready(Ok(1 + more))
    }
}

impl<T> Stream for Receiver<T> {
    type Item = Result<T, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.poll_item(Some(context))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.batch.len(), None)
    }
}

impl<T> FusedStream for Receiver<T> {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

// No field is pinned.
impl<T> Unpin for Receiver<T> {}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Dropped last, because dropping an item may panic.
        let leftovers = self.queue.abort();
        self.queue.discard(&mut self.batch);
        drop(leftovers);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Receiver")
            .field("bound", self.queue.bound())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
