//! A bounded channel with backpressure.

mod error;
#[cfg(all(test, loom))]
mod loom_tests;
mod monitor;
mod queue;
mod receiver;
mod sender_futures;
mod sink;

pub use error::{SendError, StreamError, TryRecvError, Unfinished};
pub use monitor::ChannelMonitor;
pub use receiver::Receiver;
pub use sender_futures::{ClosedFuture, ReadyFuture, ReserveFuture, SendFuture, SendPermit};
pub use sink::ChannelSink;

use super::{Bound, Stats};
use crate::{BoxError, Clock, Overflow, bounded_queue::SendAttempt, sync::Arc};
use queue::ChannelQueue;
use std::fmt;

/// Creates a bounded channel for multiple [`Sender`]s and one [`Receiver`].
///
/// # When it is full
///
/// The [`Overflow`] policy decides what happens to an item sent to a full channel:
///
/// | policy | [`send`](Sender::send) | [`try_send`](Sender::try_send) |
/// |---|---|---|
/// | [`Wait`](Overflow::Wait) | waits | rejects the item |
/// | [`DropOldest`](Overflow::DropOldest) | drops the oldest items until there is room | the same |
/// | [`DropNewest`](Overflow::DropNewest) | drops the new item | the same |
/// | [`Latest`](Overflow::Latest) | drops all queued items | the same |
/// | [`Fail`](Overflow::Fail) | rejects the item | rejects the item |
///
/// Rejected items are returned to the caller. Dropped items are counted in the
/// [`stats`](Sender::stats).
///
/// Waiting senders are woken in the order in which they started to wait. A woken sender
/// has a slot reserved, which later senders cannot take. If it is never polled, only
/// that slot is lost and the other senders proceed.
///
/// # When it ends
///
/// A channel ends in one of three ways. Only the first takes effect, except that an
/// abort overrides the others:
///
/// | | queued items | then the receiver returns |
/// |---|---|---|
/// | [`close`](Sender::close), or the last sender is dropped | are read | the end |
/// | [`fail`](Sender::fail) | are read | the error, then the end |
/// | [`abort`](Sender::abort) | are dropped, even after `close` or `fail` | [`StreamError::Aborted`], then the end |
///
/// After the end, every send returns its item with [`SendError::Closed`]. Waiting sends
/// return immediately. Dropping the receiver has the same effect and drops the queued
/// items.
///
/// # Not supported
///
/// | | use instead |
/// |---|---|
/// | multiple consumers | one channel per consumer, or one channel followed by [`parallel_map`](super::Pipeline::parallel_map); to deliver every item to each consumer, an [`Emitter`](crate::events::Emitter) with [inboxes](crate::events::Inbox) |
/// | weak senders | [`Sender::closed`] and [`Sender::close`], or the `Weak` of an `Arc<Sender>` |
/// | rendezvous (a bound of 0) | a bound of 1, and a oneshot channel in each item for its acknowledgement |
///
/// ```
/// use futures::{StreamExt, executor::block_on};
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// block_on(async {
///     let (sender, mut receiver) = channel(Bound::bytes(8)?, Overflow::Wait);
///     sender.send(b"12345".to_vec()).await?;
///     sender.send(b"67890".to_vec()).await?; // reaches the high-water mark
///     let full = sender.try_send(b"more".to_vec()).unwrap_err();
///     assert!(full.is_full());
///     assert_eq!(full.into_inner(), b"more", "the item is returned");
///
///     drop(sender);
///     assert_eq!(receiver.next().await.unwrap()?, b"12345");
///     assert_eq!(receiver.next().await.unwrap()?, b"67890");
///     assert!(receiver.next().await.is_none());
///     assert_eq!(receiver.stats().peak, 10);
///     Ok::<(), Box<dyn std::error::Error>>(())
/// })
/// # .unwrap();
/// ```
pub fn channel<T>(bound: Bound<T>, overflow: Overflow) -> (Sender<T>, Receiver<T>) {
    new_channel(bound, overflow, None)
}

/// Creates a [`channel`] that also measures how long senders wait for room.
///
/// The time is reported in [`Stats::stalled`]. In all other respects it behaves like
/// [`channel`].
///
/// ```
/// use futures::FutureExt;
/// use highwater::{Overflow, stream::{Bound, channel_with_clock}};
/// use std::{sync::Arc, time::Instant};
///
/// let start = Instant::now();
/// let clock = Arc::new(move || start.elapsed());
/// let (sender, receiver) = channel_with_clock(Bound::items(1)?, Overflow::Wait, clock);
/// sender.try_send("first")?;
/// let mut waiting = sender.send("second");
/// assert!((&mut waiting).now_or_never().is_none());
/// assert_eq!(receiver.stats().waiting, 1);
/// assert!(receiver.stats().stalled.is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub fn channel_with_clock<T>(
    bound: Bound<T>,
    overflow: Overflow,
    clock: Arc<dyn Clock>,
) -> (Sender<T>, Receiver<T>) {
    new_channel(bound, overflow, Some(clock))
}

pub(super) fn new_channel<T>(
    bound: Bound<T>,
    overflow: Overflow,
    clock: Option<Arc<dyn Clock>>,
) -> (Sender<T>, Receiver<T>) {
    let queue = Arc::new(ChannelQueue::new(bound, overflow, clock));
    (Sender(Arc::clone(&queue)), Receiver::new(queue))
}

/// The sending end of a [`channel`].
///
/// Clones send into the same channel. Dropping the last one closes the channel. The
/// items of one sender are received in the order they were sent.
///
/// ```
/// use futures::{TryStreamExt, executor::block_on};
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// let (sender, receiver) = channel(Bound::items(4)?, Overflow::Wait);
/// let other = sender.clone();
/// sender.try_send(1)?;
/// other.try_send(2)?;
/// drop((sender, other)); // closes the channel
/// assert_eq!(block_on(receiver.try_collect::<Vec<_>>())?, [1, 2]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Sender<T>(Arc<ChannelQueue<T>>);

impl<T> Sender<T> {
    /// Sends an item without waiting.
    ///
    /// If the channel is full, the [`Overflow`] policy decides. With
    /// [`Overflow::Wait`], the item cannot overtake waiting senders: it is rejected
    /// while any of them is asleep, and one slot stays reserved for each woken sender.
    /// If nothing is queued, it may take such a slot, but at most once from the same
    /// waiter.
    ///
    /// # Errors
    ///
    /// - [`SendError::Full`] if the channel is full and the policy is
    ///   [`Wait`](Overflow::Wait) or [`Fail`](Overflow::Fail).
    /// - [`SendError::Closed`] after the end.
    ///
    /// Both return the item.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, SendError, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(1)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// assert_eq!(sender.try_send(2), Err(SendError::Full(2)));
    /// drop(receiver);
    /// assert_eq!(sender.try_send(3), Err(SendError::Closed(3)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_send(&self, value: T) -> Result<(), SendError<T>> {
        match self.0.send(self.0.weigh(value), false) {
            SendAttempt::Sent => Ok(()),
            SendAttempt::NoRoom(item) | SendAttempt::Full(item) => Err(SendError::Full(item.value)),
            SendAttempt::Closed(item) => Err(SendError::Closed(item.value)),
        }
    }

    /// Sends an item and waits for room if the policy is [`Overflow::Wait`].
    ///
    /// - **Cancelled** by dropping the future, the send gives up its place in line, and
    ///   the item is dropped without being queued. To keep the item, use
    ///   [`reserve`](Self::reserve).
    /// - **Not polled** after it was woken, the future blocks at most one slot.
    ///
    /// # Errors
    ///
    /// - [`SendError::Closed`] after the end, or if the channel ends during the wait.
    /// - [`SendError::Full`] only with [`Overflow::Fail`].
    ///
    /// Both return the item.
    ///
    /// # Panics
    ///
    /// The future panics if it is polled after completion.
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

    /// Waits until the channel has room, without reserving it.
    ///
    /// A channel that has reached its high-water mark has room again once it has
    /// drained to its low-water mark. With a single sender, the next item then fits.
    /// With several senders, another one may take the room first; use
    /// [`reserve`](Self::reserve) to claim a slot.
    ///
    /// *Cancelled*, it gives up its place in line. No item is lost.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] after the end, or if the channel ends during the wait.
    ///
    /// ```
    /// use futures::{FutureExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, SendError, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(1)?, Overflow::Wait);
    /// block_on(sender.ready())?;
    /// sender.try_send(1)?;
    /// let mut ready = sender.ready();
    /// assert!((&mut ready).now_or_never().is_none(), "the channel is full");
    /// receiver.try_recv()?;
    /// assert_eq!(ready.now_or_never(), Some(Ok(())));
    ///
    /// drop(receiver);
    /// assert_eq!(block_on(sender.ready()), Err(SendError::Closed(())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn ready(&self) -> ReadyFuture<'_, T> {
        ReadyFuture::new(&self.0)
    }

    /// Waits for a slot and reserves it. The returned [`SendPermit`] sends one item
    /// without waiting.
    ///
    /// It waits in the same line as [`send`](Self::send), whatever the policy. A permit
    /// counts as an item of weight 1, so in a channel bounded by bytes the queued items
    /// may exceed the high-water mark by one item per permit. No policy drops queued
    /// items to make room for a permit.
    ///
    /// *Cancelled*, it gives up its place in line. Dropping a permit releases its slot
    /// and wakes the next sender.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`] after the end, or if the channel ends during the wait.
    ///
    /// # Panics
    ///
    /// The future panics if it is polled after completion.
    ///
    /// ```
    /// use futures::executor::block_on;
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(1)?, Overflow::Wait);
    /// let permit = block_on(sender.reserve())?;
    /// assert!(sender.try_send("another").unwrap_err().is_full());
    /// permit.send("created once there was room for it")?;
    /// assert!(receiver.try_recv()?.starts_with("created"));
    ///
    /// drop(sender.try_reserve()?);
    /// sender.try_send("the slot is free again")?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reserve(&self) -> ReserveFuture<'_, T> {
        ReserveFuture::new(&self.0)
    }

    /// Reserves a slot without waiting.
    ///
    /// # Errors
    ///
    /// - [`SendError::Full`] if no slot is free or other senders are waiting for one,
    ///   whatever the policy.
    /// - [`SendError::Closed`] after the end.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(1)?, Overflow::DropOldest);
    /// let permit = sender.try_reserve()?;
    /// assert!(sender.try_reserve().unwrap_err().is_full());
    /// permit.send("item")?;
    /// drop(receiver);
    /// assert!(sender.try_reserve().unwrap_err().is_closed());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn try_reserve(&self) -> Result<SendPermit<'_, T>, SendError> {
        match self.0.try_reserve() {
            SendAttempt::Sent => Ok(SendPermit::new(&self.0)),
            SendAttempt::NoRoom(()) | SendAttempt::Full(()) => Err(SendError::Full(())),
            SendAttempt::Closed(()) => Err(SendError::Closed(())),
        }
    }

    /// Sends an item even if the channel is full. Returns whether there is room for
    /// another one.
    ///
    /// After `false`, wait until the channel is [`ready`](Self::ready). This is the
    /// contract of Node's `write`: a caller that ignores `false` lets the queue grow
    /// without bound, as [`Stats::peak`] shows. Use it in code that cannot wait for the
    /// current item but can delay the next one.
    ///
    /// # Errors
    ///
    /// [`SendError::Closed`], which contains the item, after the end.
    ///
    /// ```
    /// use futures::{FutureExt, StreamExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let bound = Bound::bytes(4)?.with_low_water_mark(0)?;
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
        let forced = self.0.force(self.0.weigh(value));
        forced.map_err(|item| SendError::Closed(item.value))
    }

    /// Closes the channel. The receiver reads the queued items, then the stream ends.
    ///
    /// Waiting senders get their items back. Returns `false`, and does nothing, if the
    /// channel had already ended.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on};
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// sender.try_send(1)?;
    /// assert!(sender.close());
    /// assert!(!sender.close());
    /// assert!(sender.try_send(2).unwrap_err().is_closed());
    /// assert_eq!(block_on(receiver.try_collect::<Vec<_>>())?, [1]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&self) -> bool {
        self.0.close()
    }

    /// Ends the channel with an error. The receiver reads the queued items, then the
    /// error, then the stream ends, so a truncated stream cannot be mistaken for a
    /// complete one.
    ///
    /// Waiting senders get their items back. Returns `false`, and drops the error, if
    /// the channel had already ended.
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

    /// Ends the channel and drops the queued items. The receiver immediately gets
    /// [`StreamError::Aborted`], then the stream ends.
    ///
    /// The receiver takes items out of the queue in batches. Items left in its batch
    /// count as queued and are dropped on its next read.
    ///
    /// An abort also applies to a channel that was closed or failed before. Waiting
    /// senders get their items back. Returns `false` if the channel was already aborted.
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

    /// Returns whether the channel has ended: it was closed, failed or aborted, or its
    /// receiver was dropped.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel::<u8>(Bound::items(1)?, Overflow::Wait);
    /// assert!(!sender.is_closed());
    /// drop(receiver);
    /// assert!(sender.is_closed());
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }

    /// Waits until the channel has ended, so that a producer can stop
    /// when its items are no longer read.
    ///
    /// It is safe to *cancel*.
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

    /// Returns the number of queued items. Takes no lock.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// sender.try_send("item")?;
    /// assert_eq!(sender.len(), 1);
    /// receiver.try_recv()?;
    /// assert_eq!(sender.len(), 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Returns whether no items are queued. Takes no lock.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// assert!(sender.is_empty());
    /// sender.try_send("item")?;
    /// assert!(!sender.is_empty() && !receiver.is_empty());
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
    /// let (sender, receiver) = channel(Bound::bytes(4)?, Overflow::Wait);
    /// sender.try_send("text")?;
    /// assert!(sender.is_full() && receiver.is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn is_full(&self) -> bool {
        self.0.is_full()
    }

    /// Returns the channel's capacity.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel::<u8>(Bound::items(8)?, Overflow::Wait);
    /// assert_eq!(sender.bound().high_water_mark(), 8);
    /// assert_eq!(receiver.bound().low_water_mark(), 4);
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
    pub fn bound(&self) -> Bound<T> {
        *self.0.bound()
    }

    /// Returns a snapshot of the channel's counters.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, _receiver) = channel(Bound::items(1)?, Overflow::DropNewest);
    /// sender.try_send("kept")?;
    /// sender.try_send("dropped")?;
    /// let stats = sender.stats();
    /// assert_eq!((stats.sent.items, stats.queued.items, stats.dropped.items), (2, 1, 1));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        self.0.stats()
    }

    /// Returns a handle that reads the [`stats`](Self::stats). Unlike a clone of the
    /// sender, it does not keep the channel open.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel::<u8>(Bound::items(1)?, Overflow::Wait);
    /// let monitor = sender.monitor();
    /// drop(sender);
    /// assert!(receiver.is_closed());
    /// assert_eq!(monitor.stats(), receiver.stats());
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
    pub fn monitor(&self) -> ChannelMonitor
    where
        T: Send + 'static,
    {
        ChannelMonitor::new(&self.0)
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
