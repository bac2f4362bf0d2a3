//! The reading end of a channel.

use super::{
    StreamError, TryRecvError,
    queue::{Found, Queue},
    state::Entry,
};
use crate::{
    stream::{Bound, Stats},
    sync::Arc,
};
use futures::{Stream, stream::FusedStream};
use std::{
    collections::VecDeque,
    fmt,
    future::poll_fn,
    pin::Pin,
    task::{Context, Poll, ready},
};

/// Reads the items of a [`channel`](super::channel), as a [`Stream`].
///
/// Its items are `Result`s, so that a channel that failed or was aborted is not
/// mistaken for one that is complete: the error comes once, then the stream
/// ends. `try_next` of `futures::TryStreamExt` reads it with `?`.
///
/// - **Dropped**, it drops what is queued, and senders get their items back.
/// - **Cancelled**: a pending read that is dropped loses nothing.
#[must_use = "dropping the receiver ends the channel"]
pub struct Receiver<T> {
    queue: Arc<Queue<T>>,
    /// Taken out of the queue, to be read without its lock.
    batch: VecDeque<Entry<T>>,
    batch_weight: usize,
    has_ended: bool,
}

impl<T> Receiver<T> {
    pub(super) fn new(queue: Arc<Queue<T>>) -> Self {
        Receiver {
            queue,
            batch: VecDeque::new(),
            batch_weight: 0,
            has_ended: false,
        }
    }

    /// Returns the next item if one is queued.
    ///
    /// A task that waits for the channel is not forgotten by it.
    ///
    /// # Errors
    ///
    /// [`TryRecvError::Empty`] if there is none yet, [`TryRecvError::Closed`] after
    /// the end. A channel that failed or was aborted first says so, once, with
    /// [`TryRecvError::Failed`].
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
        match self.take(None) {
            Poll::Pending => Err(TryRecvError::Empty),
            Poll::Ready(None) => Err(TryRecvError::Closed),
            Poll::Ready(Some(next)) => next.map_err(TryRecvError::Failed),
        }
    }

    /// Waits for items and moves up to `limit` of those queued to the end of
    /// `items`, in one go. Returns how many: 0 at the end, or at once if `limit` is
    /// 0.
    ///
    /// *Cancelled*, by dropping the future, it has moved nothing.
    ///
    /// # Errors
    ///
    /// [`StreamError`] if the channel failed or was aborted, once; items queued
    /// before a failure come first.
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

    /// Takes no more items. Senders that wait get their items back; what is
    /// queued can still be read. Says whether it was the first end.
    pub fn close(&self) -> bool {
        self.queue.close()
    }

    /// Returns whether the channel takes no more items: it was closed, failed or aborted,
    /// or has no sender left. What is queued can still be read.
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

    /// Returns the number of items to be read. It takes no lock.
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

    /// Returns whether there is nothing to be read. It takes no lock.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether the high mark is reached, by items that are queued or places that
    /// permits hold. It takes no lock.
    pub fn is_full(&self) -> bool {
        self.queue.is_full()
    }

    /// What the channel holds at most.
    pub fn bound(&self) -> Bound<T> {
        *self.queue.bound()
    }

    /// What went through the channel so far.
    pub fn stats(&self) -> Stats {
        self.queue.stats()
    }

    fn take(&mut self, context: Option<&Context<'_>>) -> Poll<Option<Result<T, StreamError>>> {
        if self.has_ended {
            return Poll::Ready(None);
        }
        if self.queue.is_aborted() {
            self.discard();
        }
        if let Some(first) = self.batch.pop_front() {
            self.batch_weight = self.batch_weight.saturating_sub(first.weight);
            self.queue.read(1, self.batch_weight);
            return Poll::Ready(Some(Ok(first.value)));
        }
        match self.queue.poll_batch(&mut self.batch, context, true) {
            Found::Items(others) => {
                self.batch_weight = others;
                Poll::Ready(self.batch.pop_front().map(|first| Ok(first.value)))
            }
            Found::Nothing => Poll::Pending,
            Found::End(error) => {
                self.has_ended = true;
                Poll::Ready(error.map(Err))
            }
        }
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
        match ready!(self.take(Some(context))) {
            Some(Ok(first)) => items.push(first),
            Some(Err(error)) => return Poll::Ready(Err(error)),
            None => return Poll::Ready(Ok(0)),
        }
        let mut count = 1;
        while count < limit && !self.queue.is_aborted() {
            if self.batch.is_empty() {
                let found = self.queue.poll_batch(&mut self.batch, None, false);
                let Found::Items(others) = found else {
                    break;
                };
                self.batch_weight = others;
                items.extend(self.batch.pop_front().map(|first| first.value));
                count += 1;
            }
            let more = self.batch.len().min(limit - count);
            let weights = self.batch.iter().take(more).map(|entry| entry.weight);
            let weight = weights.fold(0, usize::saturating_add);
            items.extend(self.batch.drain(..more).map(|entry| entry.value));
            count += more;
            self.batch_weight = self.batch_weight.saturating_sub(weight);
            if more > 0 {
                self.queue.read(more, self.batch_weight);
            }
        }
        Poll::Ready(Ok(count))
    }

    fn discard(&mut self) {
        if !self.batch.is_empty() {
            self.queue.discard(self.batch.len(), self.batch_weight);
            self.batch.clear();
        }
    }
}

impl<T> Stream for Receiver<T> {
    type Item = Result<T, StreamError>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.take(Some(context))
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

/// Nothing in it is ever pinned.
impl<T> Unpin for Receiver<T> {}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        // Counted and woken first: the drop of an item may panic.
        let gone = self.queue.abort();
        self.discard();
        drop(gone);
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
