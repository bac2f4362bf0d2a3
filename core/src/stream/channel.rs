//! A bounded channel of items, with backpressure.

mod end;
mod error;
#[cfg(all(test, loom))]
mod model;
mod queue;
mod receiver;
mod sending;
mod sink;
mod state;

pub use error::{SendError, StreamError, TryRecvError, Unfinished};
pub use receiver::Receiver;
pub use sending::{ClosedFuture, ReadyFuture, ReserveFuture, SendFuture, SendPermit};
pub use sink::ChannelSink;

use super::{Bound, Stats};
use crate::{BoxError, Clock, Overflow, sync::Arc};
use queue::{Queue, Sent};
use std::fmt;

/// Makes a channel: any number of [`Sender`]s, one [`Receiver`], and a
/// [`Bound`] on what is between them.
///
/// What it does with an item it has no room for is its [`Overflow`] policy:
///
/// | policy | [`send`](Sender::send) | [`try_send`](Sender::try_send) |
/// |---|---|---|
/// | [`Wait`](Overflow::Wait) | waits | is refused |
/// | [`DropOldest`](Overflow::DropOldest) | drops the oldest until there is room | the same |
/// | [`DropNewest`](Overflow::DropNewest) | drops the item | the same |
/// | [`Latest`](Overflow::Latest) | drops all that is queued | the same |
/// | [`Fail`](Overflow::Fail) | is refused | is refused |
///
/// Whatever is refused is given back; whatever is dropped is counted in the
/// [`stats`](Sender::stats).
///
/// It ends in one of three ways, of which the first counts:
///
/// | | what is queued | then the reader sees |
/// |---|---|---|
/// | [`close`](Sender::close), or the last sender is dropped | is read | the end |
/// | [`fail`](Sender::fail) | is read | the error, then the end |
/// | [`abort`](Sender::abort) | is dropped, even after one of the others | [`StreamError::Aborted`], then the end |
///
/// From then on senders get their items back, those that wait at once. The same
/// when the receiver is dropped; what is queued is dropped with it.
///
/// Senders that wait are woken one after the other, in the order they came. A
/// woken one has a place reserved, so that nobody who comes later takes it. If it
/// is not polled, that costs this one place; the others go on.
///
/// # What is left out
///
/// | | use instead |
/// |---|---|
/// | several consumers | a channel for each, or [`parallel_map`](super::Pipeline::parallel_map) behind one; to show all items to each, an [`Emitter`](crate::events::Emitter) with [inboxes](crate::events::Inbox) |
/// | weak senders | [`Sender::closed`] and [`Sender::close`]; or the `Weak` of an `Arc<Sender>` |
/// | rendezvous, a bound of 0 | a bound of 1, and a oneshot channel in the item by which the reader acknowledges it |
///
/// ```
/// use futures::StreamExt;
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// # futures::executor::block_on(async {
/// let (sender, mut receiver) = channel(Bound::bytes(8)?, Overflow::Wait);
/// sender.send(b"12345".to_vec()).await?;
/// sender.send(b"67890".to_vec()).await?; // reaches the high mark
/// let full = sender.try_send(b"more".to_vec()).unwrap_err();
/// assert!(full.is_full());
/// assert_eq!(full.into_inner(), b"more", "it is given back");
///
/// drop(sender);
/// assert_eq!(receiver.next().await.unwrap()?, b"12345");
/// assert_eq!(receiver.next().await.unwrap()?, b"67890");
/// assert!(receiver.next().await.is_none());
/// assert_eq!(receiver.stats().peak, 10);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// # }).unwrap();
/// ```
pub fn channel<T>(bound: Bound<T>, overflow: Overflow) -> (Sender<T>, Receiver<T>) {
    connect(bound, overflow, None)
}

/// A [`channel`] that also measures how long senders wait for room.
pub fn channel_with_clock<T>(
    bound: Bound<T>,
    overflow: Overflow,
    clock: Arc<dyn Clock>,
) -> (Sender<T>, Receiver<T>) {
    connect(bound, overflow, Some(clock))
}

pub(super) fn connect<T>(
    bound: Bound<T>,
    overflow: Overflow,
    clock: Option<Arc<dyn Clock>>,
) -> (Sender<T>, Receiver<T>) {
    let queue = Arc::new(Queue::new(bound, overflow, clock));
    (Sender(Arc::clone(&queue)), Receiver::new(queue))
}

/// Puts items into a [`channel`].
///
/// A clone sends into the same channel, which is closed when the last one is
/// dropped. Each sender's items are read in the order they were sent.
pub struct Sender<T>(Arc<Queue<T>>);

impl<T> Sender<T> {
    /// Queues an item if that can be done at once.
    ///
    /// With [`Overflow::Wait`], it does not overtake those that wait: while some of
    /// them have not been woken yet, it is refused, and a place is reserved for
    /// each one that was woken. Only where nothing is queued it may take such a
    /// place, once from each waiter that comes for it.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] without room, if the policy is to wait or to fail;
    /// [`SendError::Closed`] after the end. Both give the item back.
    pub fn try_send(&self, value: T) -> Result<(), SendError<T>> {
        match self.0.send(value, false) {
            Sent::Done => Ok(()),
            Sent::NoRoom(entry) => Err(SendError::Full(entry.value)),
            Sent::Refused(error) => Err(error),
        }
    }

    /// Queues an item, when there is room for it.
    ///
    /// *Cancelled*, by dropping the future, it gives its turn up: the item is
    /// dropped and was not queued. To keep an item, use [`reserve`](Self::reserve).
    ///
    /// *Kept* without being polled, it costs others one place at most, which is
    /// reserved for it once it was woken. Polled after it has completed, it panics.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] after the end, also one that comes while it waits;
    /// [`SendError::Full`] with [`Overflow::Fail`] only. Both give the item
    /// back.
    ///
    /// ```
    /// use futures::{FutureExt, StreamExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, SendError, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(1)?, Overflow::Wait);
    /// block_on(sender.send("first"))?;
    /// let mut second = sender.send("second");
    /// assert!((&mut second).now_or_never().is_none(), "it waits");
    /// block_on(receiver.next());
    /// assert_eq!(second.now_or_never(), Some(Ok(())));
    ///
    /// drop(receiver);
    /// assert_eq!(block_on(sender.send("third")), Err(SendError::Closed("third")));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send(&self, value: T) -> SendFuture<'_, T> {
        SendFuture::new(&self.0, value)
    }

    /// Waits while the queue is *full*: from the item that reached the high
    /// mark until it has drained to the low one.
    ///
    /// With a single sender, the next item then finds room; with several,
    /// another may be quicker.
    ///
    /// *Cancelled*, it gives its turn up. Nothing is lost.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] after the end.
    pub fn ready(&self) -> ReadyFuture<'_, T> {
        ReadyFuture::new(&self.0)
    }

    /// Waits for a place and holds it: the [`SendPermit`] then sends without waiting.
    ///
    /// It waits in the same line as [`send`](Self::send), whatever the policy. A
    /// permit counts as an item of weight 1: in a channel of bytes, what is queued
    /// may weigh more than the high mark by one item for each permit. What drops
    /// the oldest items drops none for a place that is held.
    ///
    /// *Cancelled*, it gives its turn up. A permit that is dropped gives its place
    /// back and wakes the next sender.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] after the end, also one that comes while it waits.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(1)?, Overflow::Wait);
    /// let permit = block_on(sender.reserve())?;
    /// assert!(sender.try_send("another").unwrap_err().is_full());
    /// permit.send("made now that there is a place for it")?;
    /// assert!(receiver.try_recv()?.starts_with("made"));
    ///
    /// drop(sender.try_reserve()?);
    /// sender.try_send("the place was given back")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve(&self) -> ReserveFuture<'_, T> {
        ReserveFuture::new(&self.0)
    }

    /// Holds a place if there is one.
    ///
    /// # Errors
    ///
    /// [`SendError::Full`] without one, also if others wait for it, whatever the
    /// policy; [`SendError::Closed`] after the end.
    pub fn try_reserve(&self) -> Result<SendPermit<'_, T>, SendError> {
        self.0.try_reserve()?;
        Ok(SendPermit::new(&self.0))
    }

    /// Queues an item even if there is no room, and says whether there is room
    /// for another: `false` asks the caller to wait until it is
    /// [`ready`](Self::ready).
    ///
    /// This is what `write` does in Node, and like there whoever ignores the
    /// `false` piles items up without bound. What that costs is the
    /// [`peak`](Stats::peak). It is for those who cannot wait where an item
    /// comes up but can where they get the next one.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] after the end; the item is given back.
    ///
    /// ```
    /// use futures::{FutureExt, StreamExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let bound = Bound::bytes(4)?.low(0)?;
    /// let (sender, mut receiver) = channel(bound, Overflow::Wait);
    /// assert_eq!(sender.force_send("ab"), Ok(true));
    /// assert_eq!(sender.force_send("cd"), Ok(false), "wait for it to drain");
    /// assert_eq!(sender.force_send("ignored"), Ok(false));
    /// assert_eq!(sender.stats().peak, 11);
    ///
    /// assert!(sender.ready().now_or_never().is_none());
    /// for _ in 0..3 {
    ///     block_on(receiver.next());
    /// }
    /// assert_eq!(block_on(sender.ready()), Ok(()));
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
    pub fn force_send(&self, value: T) -> Result<bool, SendError<T>> {
        self.0.force(value)
    }

    /// Takes no more items. The receiver reads what is queued, then ends.
    /// Senders that wait get their items back.
    ///
    /// Says whether it was the first end. Doing it again does nothing.
    pub fn close(&self) -> bool {
        self.0.close()
    }

    /// Takes no more items. The receiver reads what is queued, then the error,
    /// then ends: it cannot mistake a part for the whole.
    ///
    /// Says whether it was the first end; if not, the error is dropped.
    ///
    /// ```
    /// use futures::{StreamExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// assert!(sender.fail("the disk is gone"));
    /// assert_eq!(block_on(receiver.next()).unwrap()?, 1);
    /// assert!(block_on(receiver.next()).unwrap().unwrap_err().is_failed());
    /// assert!(block_on(receiver.next()).is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn fail(&self, error: impl Into<BoxError>) -> bool {
        self.0.fail(error.into())
    }

    /// Takes no more items and drops what is queued. The receiver is told so
    /// at once by [`StreamError::Aborted`], then ends.
    ///
    /// What the receiver has taken out of the queue, and not yet read, it drops
    /// when it next looks; until then that counts as queued.
    ///
    /// It also cuts short what was closed or failed. Says whether it was the
    /// first abort.
    ///
    /// ```
    /// use futures::{StreamExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// assert!(sender.abort());
    /// assert!(block_on(receiver.next()).unwrap().unwrap_err().is_aborted());
    /// assert_eq!(sender.stats().dropped.items, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn abort(&self) -> bool {
        self.0.abort().is_some()
    }

    /// Whether it takes nothing any more.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until the channel takes nothing any more: it was closed, failed or
    /// aborted, or its receiver was dropped. For whoever makes items only while
    /// somebody reads them.
    ///
    /// *Cancelled*, it leaves nothing behind.
    ///
    /// ```
    /// use futures::{FutureExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel::<u8>(Bound::items(1)?, Overflow::Wait);
    /// assert!(sender.closed().now_or_never().is_none());
    /// drop(receiver);
    /// block_on(sender.closed());
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
    pub fn closed(&self) -> ClosedFuture<'_, T> {
        ClosedFuture::new(&self.0)
    }

    /// Returns the number of items to be read. It takes no lock.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether there is nothing to be read. It takes no lock.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Returns whether the high mark is reached, by items that are queued or places that
    /// permits hold. It takes no lock.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::bytes(4)?, Overflow::Wait);
    /// assert!(sender.is_empty());
    /// sender.try_send("text")?;
    /// assert_eq!((sender.len(), sender.is_full()), (1, true));
    /// # drop(receiver);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// What the channel holds at most.
    pub fn bound(&self) -> Bound<T> {
        *self.0.bound()
    }

    /// What went through the channel so far.
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// The sender as a [`Sink`](futures::Sink).
    pub fn into_sink(self) -> ChannelSink<T> {
        ChannelSink::new(self)
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.add_sender();
        Sender(Arc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.remove_sender();
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sender")
            .field("bound", self.0.bound())
            .field("stats", &self.stats())
            .finish()
    }
}
