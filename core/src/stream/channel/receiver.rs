//! The reading end of a channel.

use super::{
    StreamError,
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
    pin::Pin,
    task::{Context, Poll},
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

    /// Takes no more items. Senders that wait get their items back; what is
    /// queued can still be read. Says whether it was the first end.
    pub fn close(&self) -> bool {
        self.queue.close()
    }

    /// What the channel holds at most.
    pub fn bound(&self) -> Bound<T> {
        *self.queue.bound()
    }

    /// What went through the channel so far.
    pub fn stats(&self) -> Stats {
        self.queue.stats()
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
        let own = &mut *self;
        if own.has_ended {
            return Poll::Ready(None);
        }
        if own.queue.is_aborted() {
            own.discard();
        }
        if let Some(first) = own.batch.pop_front() {
            own.batch_weight = own.batch_weight.saturating_sub(first.weight);
            own.queue.read(own.batch.len(), own.batch_weight);
            return Poll::Ready(Some(Ok(first.value)));
        }
        match own.queue.poll_batch(&mut own.batch, context) {
            Found::Items(weight) => {
                own.batch_weight = weight;
                Poll::Ready(own.batch.pop_front().map(|first| Ok(first.value)))
            }
            Found::Nothing => Poll::Pending,
            Found::End(error) => {
                own.has_ended = true;
                Poll::Ready(error.map(Err))
            }
        }
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
        self.queue.abort();
        self.discard();
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
