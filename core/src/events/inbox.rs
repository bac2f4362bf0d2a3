//! A subscription that is read as an asynchronous stream.

#[cfg(all(test, loom))]
mod loom_tests;
mod queue;

use super::{
    Bus, Emitter, ListenerId, Overflow, Subscription,
    listener::{Listen, Started},
    listener_list::Position,
};
use crate::BoxError;
use futures::{Stream, stream::FusedStream};
use queue::{InboxQueue, SendOutcome, WaitingSend};
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

/// A subscription whose events wait in a bounded queue until they are read, as
/// a [`Stream`].
///
/// To the emitter it is a listener like any other: it has a name, it counts, a
/// monitor sees it. What it does when it is full is its [`Overflow`] policy;
/// what that costs is counted in its [`stats`](Self::stats).
///
/// - **Closed**, by [`close`](Self::close), it takes no more events. What is
///   queued can still be read; then the stream ends. The same when the emitter
///   is gone, or turns it [`off`](Emitter::off): what emits that have begun hand
///   it after that is dropped, and counted.
/// - **Dropped**, it unsubscribes, and what is queued is dropped with it. Emits
///   that wait for its room go on.
/// - **Cancelled**: a pending read that is dropped loses nothing. An awaited
///   emit that is dropped while it waits for room gives its turn up, and its
///   event is not queued.
/// - **Kept** without being polled, an awaited emit costs others at most the one
///   place that is reserved for its event once it was woken.
///
/// Its statistics stay within reach when a task owns it: see
/// [`monitor`](Self::monitor).
///
/// ```
/// use futures::StreamExt;
/// use highwater::events::{Emitter, Overflow};
///
/// # futures::executor::block_on(async {
/// let emitter = Emitter::new();
/// let mut inbox = emitter.inbox("plot", 2, Overflow::DropOldest)?;
/// for reading in [1, 2, 3] {
///     emitter.emit(&reading).unwrap();
/// }
/// assert_eq!(inbox.stats().dropped, 1);
/// assert_eq!(inbox.next().await, Some(2));
///
/// drop(emitter);
/// assert_eq!(inbox.next().await, Some(3));
/// assert_eq!(inbox.next().await, None);
/// # Ok::<(), highwater::events::ZeroCapacity>(())
/// # }).unwrap();
/// ```
#[must_use = "dropping an inbox unsubscribes it"]
pub struct Inbox<E> {
    queue: Arc<InboxQueue<E>>,
    /// Taken out of the queue, to be read without its lock.
    batch: VecDeque<E>,
    has_ended: bool,
    subscription: Subscription,
}

/// What went through an inbox, and what did not.
///
/// Every event sent was received, dropped or refused, or is queued.
///
/// ```
/// use highwater::events::{Emitter, Overflow};
///
/// let emitter = Emitter::new();
/// let mut inbox = emitter.inbox("reader", 2, Overflow::DropOldest)?;
/// for n in 1..=3 {
///     emitter.emit(&n).unwrap();
/// }
/// assert_eq!(inbox.try_next(), Some(2));
/// let stats = inbox.stats();
/// assert_eq!((stats.sent, stats.dropped, stats.received, stats.queued), (3, 1, 1, 1));
/// assert_eq!(stats.peak, 2);
/// # Ok::<(), highwater::events::ZeroCapacity>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct InboxStats {
    /// Events it was handed. One whose emit still waits for room is not yet.
    pub sent: u64,
    /// Events that were read.
    pub received: u64,
    /// Events it gave up: for a new one, as the new one, or because it was
    /// closed.
    pub dropped: u64,
    /// Events it had no room for and said so.
    pub refused: u64,
    /// Events to be read.
    pub queued: usize,
    /// Emits that wait for room.
    pub waiting: usize,
    /// The most events that were queued at once. Never more than the capacity.
    pub peak: usize,
}

impl<E: Clone + Send + Sync + 'static, M> Emitter<E, M> {
    /// Adds an [`Inbox`] behind the listeners there are: events are cloned into
    /// it, up to `capacity` of them. Each is cloned before it is known whether
    /// there is room: let large ones be shared (`Emitter<Arc<Large>>`).
    ///
    /// ```
    /// # use highwater::events::{Emitter, Overflow};
    /// let emitter: Emitter<String> = Emitter::new();
    /// let mut inbox = emitter.inbox("reader", 4, Overflow::Wait)?;
    /// emitter.emit(&"a line".to_owned()).unwrap();
    /// assert_eq!(inbox.try_next().as_deref(), Some("a line"));
    /// assert!(emitter.inbox("no room", 0, Overflow::Wait).is_err());
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ZeroCapacity`] if there is to be no room at all.
    #[track_caller]
    pub fn inbox(
        &self,
        name: impl Into<Arc<str>>,
        capacity: usize,
        overflow: Overflow,
    ) -> Result<Inbox<E>, ZeroCapacity> {
        if capacity == 0 {
            return Err(ZeroCapacity);
        }
        let queue = Arc::new(InboxQueue::new(capacity, overflow));
        let listen = Arc::new(InboxListener(Arc::clone(&queue)));
        Ok(Inbox {
            queue,
            batch: VecDeque::new(),
            has_ended: false,
            subscription: self.add(Position::Last, false, name.into(), listen),
        })
    }
}

impl<M> Bus<M> {
    /// Adds an [`Inbox`] for events of type `E`: [`Emitter::inbox`].
    ///
    /// ```
    /// # use highwater::events::{Bus, Overflow};
    /// let bus = Bus::new();
    /// let mut bytes = bus.inbox::<u8>("bytes", 4, Overflow::Wait)?;
    /// bus.emit(&7_u8).unwrap();
    /// bus.emit(&"another type").unwrap();
    /// assert_eq!((bytes.try_next(), bytes.try_next()), (Some(7), None));
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`ZeroCapacity`] if there is to be no room at all.
    #[track_caller]
    pub fn inbox<E: Clone + Send + Sync + 'static>(
        &self,
        name: impl Into<Arc<str>>,
        capacity: usize,
        overflow: Overflow,
    ) -> Result<Inbox<E>, ZeroCapacity> {
        self.emitter().inbox(name, capacity, overflow)
    }
}

impl<E> Inbox<E> {
    /// Its handle as a listener: [`off`](Emitter::off) closes it.
    ///
    /// ```
    /// # use highwater::events::{Emitter, Overflow};
    /// let emitter: Emitter<u8> = Emitter::new();
    /// let inbox = emitter.inbox("reader", 4, Overflow::Wait)?;
    /// assert_eq!(inbox.id(), emitter.listeners()[0].id);
    /// assert!(emitter.off(inbox.id()));
    /// assert!(inbox.is_closed());
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn id(&self) -> ListenerId {
        self.subscription.id()
    }

    /// How many events it holds at most.
    ///
    /// ```
    /// # use highwater::events::{Emitter, Overflow};
    /// let inbox = Emitter::<u8>::new().inbox("reader", 4, Overflow::Wait)?;
    /// assert_eq!(inbox.capacity(), 4);
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    /// What went through it so far.
    ///
    /// ```
    /// # use highwater::events::{Emitter, Overflow};
    /// let emitter = Emitter::new();
    /// let inbox = emitter.inbox("reader", 1, Overflow::DropNewest)?;
    /// emitter.emit(&1).unwrap();
    /// emitter.emit(&2).unwrap();
    /// let stats = inbox.stats();
    /// assert_eq!((stats.sent, stats.queued, stats.dropped), (2, 1, 1));
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn stats(&self) -> InboxStats {
        self.queue.stats()
    }

    /// A handle that reads its statistics wherever the inbox is, and after it was
    /// dropped.
    ///
    /// ```
    /// use futures::{StreamExt, executor::block_on};
    /// use highwater::events::{Emitter, Overflow};
    ///
    /// let emitter = Emitter::new();
    /// let inbox = emitter.inbox("mailer", 8, Overflow::Wait)?;
    /// let monitor = inbox.monitor();
    /// let mailer = async move { inbox.collect::<Vec<u32>>().await };
    /// emitter.emit(&1).unwrap();
    /// assert_eq!(monitor.stats().queued, 1);
    ///
    /// drop(emitter);
    /// block_on(mailer);
    /// assert_eq!(monitor.stats().received, 1);
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn monitor(&self) -> InboxMonitor
    where
        E: Send + 'static,
    {
        InboxMonitor::new(self.queue.clone())
    }

    /// Unsubscribes it, and takes no more events. Emits that wait for room go on;
    /// what is queued can still be read. Closing it again does nothing.
    ///
    /// ```
    /// # use highwater::events::{Emitter, Overflow};
    /// let emitter = Emitter::new();
    /// let mut inbox = emitter.inbox("reader", 4, Overflow::Wait)?;
    /// emitter.emit(&1).unwrap();
    /// inbox.close();
    /// assert_eq!(emitter.emit(&2).unwrap(), 0);
    /// assert_eq!((inbox.try_next(), inbox.try_next()), (Some(1), None));
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn close(&self) {
        self.queue.close();
        self.subscription.remove();
    }

    /// Whether it takes no more events. What is queued can still be read.
    ///
    /// ```
    /// # use highwater::events::{Emitter, Overflow};
    /// let emitter = Emitter::new();
    /// let mut inbox = emitter.inbox("reader", 4, Overflow::Wait)?;
    /// emitter.emit(&1).unwrap();
    /// assert!(!inbox.is_closed());
    /// drop(emitter);
    /// assert!(inbox.is_closed());
    /// assert_eq!((inbox.try_next(), inbox.try_next()), (Some(1), None));
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn is_closed(&self) -> bool {
        self.queue.is_closed()
    }

    /// The next event, if one is queued. `None` once it [is
    /// closed](Self::is_closed): there will be no more.
    ///
    /// ```
    /// # use highwater::events::{Emitter, Overflow};
    /// let emitter = Emitter::new();
    /// let mut inbox = emitter.inbox("reader", 4, Overflow::Wait)?;
    /// assert_eq!(inbox.try_next(), None, "none yet");
    /// emitter.emit(&1).unwrap();
    /// assert_eq!(inbox.try_next(), Some(1));
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn try_next(&mut self) -> Option<E> {
        match self.take(None) {
            Poll::Ready(event) => event,
            Poll::Pending => None,
        }
    }

    fn take(&mut self, context: Option<&Context<'_>>) -> Poll<Option<E>> {
        if !self.batch.is_empty() {
            self.queue.read(self.batch.len() - 1);
            return Poll::Ready(self.batch.pop_front());
        }
        match self.queue.poll_batch(&mut self.batch, context) {
            Some(true) => Poll::Ready(self.batch.pop_front()),
            Some(false) => {
                self.has_ended = true;
                Poll::Ready(None)
            }
            None => Poll::Pending,
        }
    }
}

impl<E> Stream for Inbox<E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<E>> {
        self.take(Some(&*context))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.queue.size_hint()
    }
}

impl<E> FusedStream for Inbox<E> {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

/// Nothing in it is ever pinned.
impl<E> Unpin for Inbox<E> {}

impl<E> Drop for Inbox<E> {
    fn drop(&mut self) {
        self.queue.close();
        // Counted and woken by now: the drop of an event may panic.
        drop(self.queue.clear());
    }
}

impl<E> fmt::Debug for Inbox<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Inbox")
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// The inbox as its emitter knows it.
struct InboxListener<E>(Arc<InboxQueue<E>>);

impl<E: Clone + Send + Sync + 'static> Listen<E> for InboxListener<E> {
    fn call(&self, event: &E) -> Result<(), BoxError> {
        match self.0.send(event.clone(), false) {
            SendOutcome::Done | SendOutcome::Full(_) => Ok(()),
            SendOutcome::Refused(full) => Err(full.into()),
        }
    }

    fn start(&self, event: &E) -> Started {
        match self.0.send(event.clone(), true) {
            SendOutcome::Done => Started::Done(Ok(())),
            SendOutcome::Refused(full) => Started::Done(Err(full.into())),
            SendOutcome::Full(event) => {
                let waiting = WaitingSend::new(Arc::clone(&self.0), event);
                Started::Running(Box::pin(waiting))
            }
        }
    }

    /// Not when the last list that has it is dropped: that may rest for long
    /// with a cached handle.
    fn removed(&self) {
        self.0.close();
    }
}

/// The emitter is gone.
impl<E> Drop for InboxListener<E> {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// A handle on the statistics of an [`Inbox`](super::Inbox): what
/// [`Inbox::monitor`](super::Inbox::monitor) returns.
///
/// It is cheap to clone, and of one type whatever the events are. It does not keep
/// the inbox subscribed. Once the inbox is dropped, nothing is queued any more:
/// what was not read is among the dropped.
///
/// ```
/// use highwater::events::{Emitter, Overflow};
///
/// let emitter = Emitter::new();
/// let inbox = emitter.inbox("reader", 4, Overflow::Wait)?;
/// let monitor = inbox.monitor();
/// emitter.emit(&7).unwrap();
/// assert_eq!((monitor.stats().queued, monitor.capacity()), (1, 4));
///
/// drop(inbox);
/// assert!(monitor.is_closed());
/// assert_eq!((monitor.stats().queued, monitor.stats().dropped), (0, 1));
/// # Ok::<(), highwater::events::ZeroCapacity>(())
/// ```
#[derive(Clone)]
pub struct InboxMonitor(Arc<dyn AnyQueue>);

impl InboxMonitor {
    fn new<E: Send + 'static>(queue: Arc<InboxQueue<E>>) -> Self {
        InboxMonitor(queue)
    }

    /// Returns what went through the inbox so far.
    pub fn stats(&self) -> InboxStats {
        self.0.stats()
    }

    /// Returns the number of events the inbox holds at most.
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Returns whether the inbox takes no more events.
    pub fn is_closed(&self) -> bool {
        self.0.is_closed()
    }
}

impl fmt::Debug for InboxMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InboxMonitor")
            .field("capacity", &self.capacity())
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

/// A queue of events of any type.
trait AnyQueue: Send + Sync {
    fn stats(&self) -> InboxStats;
    fn capacity(&self) -> usize;
    fn is_closed(&self) -> bool;
}

impl<E: Send> AnyQueue for InboxQueue<E> {
    fn stats(&self) -> InboxStats {
        InboxQueue::stats(self)
    }

    fn capacity(&self) -> usize {
        InboxQueue::capacity(self)
    }

    fn is_closed(&self) -> bool {
        InboxQueue::is_closed(self)
    }
}

/// What an inbox that had no room fails with, as the listener it is.
///
/// ```
/// use highwater::events::{Emitter, InboxFull, Overflow};
///
/// let emitter = Emitter::new();
/// let _inbox = emitter.inbox("reader", 1, Overflow::Fail)?;
/// emitter.emit(&1).unwrap();
/// let error = emitter.emit(&2).unwrap_err();
/// let full: Option<&InboxFull> = error.failures()[0].error.downcast_ref();
/// assert_eq!(full, Some(&InboxFull { capacity: 1 }));
/// # Ok::<(), highwater::events::ZeroCapacity>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("its inbox is full: all {capacity} places are received")]
pub struct InboxFull {
    /// How many events it holds.
    pub capacity: usize,
}

/// An inbox for no events was asked for.
///
/// ```
/// use highwater::events::{Emitter, Overflow, ZeroCapacity};
///
/// let refused = Emitter::<u8>::new().inbox("reader", 0, Overflow::Wait);
/// assert_eq!(refused.unwrap_err(), ZeroCapacity);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an inbox needs a capacity of at least 1")]
pub struct ZeroCapacity;
