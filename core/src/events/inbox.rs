//! An inbox: a subscription that is read as an asynchronous stream.

use super::{
    Bus, Emitter, ListenerId, Overflow, Subscription,
    listener::{Listen, Started},
    listener_table::ListenerPosition,
};
use crate::{
    BoxError,
    bounded_queue::{Batch, BoundedQueue, Marks, SendAttempt, WaitTicket, Weighted},
    sync::{AtomicU64, Ordering},
};
use futures_util::{Stream, stream::FusedStream};
use std::{
    fmt,
    future::Future,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

/// A subscription that queues its events, up to a bound, until they are read as a
/// [`Stream`].
///
/// To the emitter it is a listener like any other: it has a name, it is counted, and
/// monitors see it. Its [`Overflow`] policy decides what happens when it is full, and
/// its [`stats`](Self::stats) count the effects.
///
/// - **Closed**, by [`close`](Self::close), it accepts no more events. Queued events
///   can still be read; then the stream ends. The same happens when the emitter is
///   dropped or turns it [`off`](Emitter::off). Events that running emits deliver
///   after that are dropped and counted.
/// - **Dropped**, it unsubscribes and drops its queued events. Emits that wait for
///   room continue.
/// - **Cancelled**: dropping a pending read loses nothing. An awaited emit that is
///   dropped while it waits for room stops waiting, and its event is not queued.
/// - **Idle emits**: an awaited emit that is kept but not polled blocks at most one
///   slot, which is reserved for it once it was woken.
///
/// [`monitor`](Self::monitor) returns a handle that reads the statistics after the
/// inbox has moved into a task.
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
    batch: Batch<QueuedEvent<E>>,
    has_ended: bool,
    subscription: Subscription,
}

/// The statistics of an inbox.
///
/// Every event that was sent was received, was dropped or is queued: `sent` is always
/// the sum of `received`, `dropped` and `queued`.
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
    /// Events that were not rejected, including dropped ones. Events of emits that still
    /// wait for room do not count.
    pub sent: u64,
    /// Events that were read.
    pub received: u64,
    /// Accepted events that were dropped before they were read: by the overflow policy,
    /// or because the inbox was closed.
    pub dropped: u64,
    /// Events that failed with [`InboxFull`].
    pub rejected: u64,
    /// Events not yet read.
    pub queued: usize,
    /// Emits that wait for room.
    pub waiting: usize,
    /// The highest number of events queued at once. Never exceeds the capacity.
    pub peak: usize,
}

impl<E: Clone + Send + Sync + 'static, M> Emitter<E, M> {
    /// Adds an [`Inbox`] after the existing listeners. Events are cloned into it, up
    /// to `capacity` of them. The clone is made before it is known whether there is
    /// room, so share large events (`Emitter<Arc<Large>>`).
    ///
    /// With [`Overflow::Wait`], a plain `emit` to a full inbox fails with [`InboxFull`]; only
    /// awaited emits wait.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
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
    /// Returns [`ZeroCapacity`] if `capacity` is 0.
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
            batch: Batch::default(),
            has_ended: false,
            subscription: self.add(ListenerPosition::Last, false, name.into(), listen),
        })
    }
}

impl<M> Bus<M> {
    /// Adds an [`Inbox`] for events of type `E`: [`Emitter::inbox`].
    ///
    /// ```
    /// use highwater::events::{Bus, Overflow};
    ///
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
    /// Returns [`ZeroCapacity`] if `capacity` is 0.
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
    /// Returns its handle as a listener. [`off`](Emitter::off) closes the inbox.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
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

    /// Returns the capacity in events.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
    /// let inbox = Emitter::<u8>::new().inbox("reader", 4, Overflow::Wait)?;
    /// assert_eq!(inbox.capacity(), 4);
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn capacity(&self) -> usize {
        self.queue.capacity()
    }

    /// Returns the statistics so far.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
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

    /// Returns a handle that reads the statistics, even after the inbox was moved or
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

    /// Unsubscribes it and accepts no more events. Emits that wait for room continue.
    /// Queued events can still be read. Closing it again has no effect.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
    /// let emitter = Emitter::new();
    /// let mut inbox = emitter.inbox("reader", 4, Overflow::Wait)?;
    /// emitter.emit(&1).unwrap();
    /// inbox.close();
    /// assert_eq!(emitter.emit(&2).unwrap(), 0);
    /// assert_eq!((inbox.try_next(), inbox.try_next()), (Some(1), None));
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn close(&self) {
        self.queue.events.close();
        self.subscription.remove();
    }

    /// Returns whether it accepts no more events. Queued events can still be read.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
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
        self.queue.events.is_closed()
    }

    /// Returns the next event, if one is queued. After the inbox [is
    /// closed](Self::is_closed) and empty, always returns `None`.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
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

    #[inline]
    fn take(&mut self, context: Option<&Context<'_>>) -> Poll<Option<E>> {
        let read = ready!(self.queue.events.poll_read(&mut self.batch, context));
        let Ok(QueuedEvent(event)) = read else {
            self.has_ended = true;
            return Poll::Ready(None);
        };
        Poll::Ready(Some(event))
    }
}

impl<E> Stream for Inbox<E> {
    type Item = E;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<E>> {
        self.take(Some(&*context))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        // Loaded first: nothing is queued after the end.
        let is_closed = self.is_closed();
        let queued = self.stats().queued;
        // Until then, one more event may replace all others.
        let is_exact = is_closed || self.queue.events.overflow() != Overflow::Latest;
        let least = if is_exact { queued } else { queued.min(1) };
        (least, is_closed.then_some(queued))
    }
}

impl<E> FusedStream for Inbox<E> {
    fn is_terminated(&self) -> bool {
        self.has_ended
    }
}

/// No field is pinned.
impl<E> Unpin for Inbox<E> {}

impl<E> Drop for Inbox<E> {
    fn drop(&mut self) {
        // Closed and counted first, since dropping an event may panic.
        let leftovers = self.queue.events.abort();
        self.queue.events.discard(&mut self.batch);
        drop(leftovers);
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

/// The inbox as a listener in the table of its emitter.
struct InboxListener<E>(Arc<InboxQueue<E>>);

impl<E: Clone + Send + Sync + 'static> Listen<E> for InboxListener<E> {
    fn call(&self, event: &E) -> Result<(), BoxError> {
        let attempt = self.0.events.send(QueuedEvent(event.clone()), false);
        self.0.finish(&attempt)
    }

    fn start(&self, event: &E) -> Started {
        match self.0.events.send(QueuedEvent(event.clone()), true) {
            SendAttempt::NoRoom(event) => Started::Running(Box::pin(WaitingEmit {
                queue: Arc::clone(&self.0),
                event: Some(event),
                ticket: WaitTicket::default(),
            })),
            attempt => Started::Done(self.0.finish(&attempt)),
        }
    }

    /// Closes the inbox at once, and not when the last copy of the table is dropped:
    /// an idle cached handle may keep that for long.
    fn removed(&self) {
        self.0.events.close();
    }
}

/// Closes the inbox when the emitter is dropped.
impl<E> Drop for InboxListener<E> {
    fn drop(&mut self) {
        self.0.events.close();
    }
}

/// A handle that reads the statistics of an [`Inbox`], made by [`Inbox::monitor`].
///
/// It is cheap to clone and independent of the event type. It does not keep the inbox
/// subscribed. After the inbox is dropped, the statistics count its unread events as
/// dropped.
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

    /// Returns the statistics of the inbox so far.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
    /// let emitter = Emitter::new();
    /// let inbox = emitter.inbox("reader", 4, Overflow::Wait)?;
    /// let monitor = inbox.monitor();
    /// emitter.emit(&7).unwrap();
    /// assert_eq!(monitor.stats(), inbox.stats());
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn stats(&self) -> InboxStats {
        self.0.stats()
    }

    /// Returns the capacity of the inbox, in events.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
    /// let inbox = Emitter::<u8>::new().inbox("reader", 4, Overflow::Wait)?;
    /// assert_eq!(inbox.monitor().capacity(), 4);
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Returns whether the inbox accepts no more events.
    ///
    /// ```
    /// use highwater::events::{Emitter, Overflow};
    ///
    /// let emitter = Emitter::<u8>::new();
    /// let monitor = emitter.inbox("reader", 4, Overflow::Wait)?.monitor();
    /// assert!(monitor.is_closed(), "the inbox was dropped");
    /// # Ok::<(), highwater::events::ZeroCapacity>(())
    /// ```
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
        self.events.is_closed()
    }
}

/// The queue of an inbox.
struct InboxQueue<E> {
    events: BoundedQueue<QueuedEvent<E>>,
    /// The events that were sent after the end, and dropped.
    late: AtomicU64,
}

/// A queued event. Each takes up one slot.
struct QueuedEvent<E>(E);

impl<E> InboxQueue<E> {
    fn new(capacity: usize, overflow: Overflow) -> Self {
        let marks = Marks {
            high: capacity,
            // Every read event makes room for the next emit.
            low: capacity - 1,
        };
        InboxQueue {
            events: BoundedQueue::new(marks, overflow, None),
            late: AtomicU64::new(0),
        }
    }

    fn capacity(&self) -> usize {
        self.events.high_water_mark()
    }

    /// Returns the result of an emit. An event sent after the end counts as dropped.
    fn finish(&self, attempt: &SendAttempt<QueuedEvent<E>>) -> Result<(), BoxError> {
        match attempt {
            SendAttempt::Sent => Ok(()),
            SendAttempt::Closed(_) => {
                self.late.fetch_add(1, Ordering::Relaxed);
                Ok(())
            }
            SendAttempt::NoRoom(_) | SendAttempt::Full(_) => {
                let capacity = self.capacity();
                Err(InboxFull { capacity }.into())
            }
        }
    }

    fn stats(&self) -> InboxStats {
        let stats = self.events.stats();
        let late = self.late.load(Ordering::Relaxed);
        InboxStats {
            sent: stats.sent.items + late,
            received: stats.received.items,
            dropped: stats.dropped.items + late,
            rejected: stats.rejected.items,
            queued: usize::try_from(stats.queued.items).unwrap_or(usize::MAX),
            waiting: stats.waiting,
            peak: stats.peak,
        }
    }
}

impl<E> Weighted for QueuedEvent<E> {
    fn weight(&self) -> usize {
        1
    }
}

/// A future that completes when its event is queued or the inbox is closed.
struct WaitingEmit<E> {
    queue: Arc<InboxQueue<E>>,
    event: Option<QueuedEvent<E>>,
    ticket: WaitTicket,
}

impl<E> Future for WaitingEmit<E> {
    type Output = Result<(), BoxError>;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let own = self.get_mut();
        let events = &own.queue.events;
        let sent = ready!(events.poll_send(&mut own.ticket, &mut own.event, context));
        // Counted first, since dropping the event may panic.
        if sent.is_err() {
            own.queue.late.fetch_add(1, Ordering::Relaxed);
        }
        Poll::Ready(Ok(()))
    }
}

/// No field is pinned.
impl<E> Unpin for WaitingEmit<E> {}

impl<E> Drop for WaitingEmit<E> {
    fn drop(&mut self) {
        self.queue.events.cancel_wait(&mut self.ticket);
    }
}

/// The error of an inbox that has no room.
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
#[error("the inbox is full ({capacity} events)")]
pub struct InboxFull {
    /// The capacity of the inbox, in events.
    pub capacity: usize,
}

/// The error of making an inbox with a capacity of 0.
///
/// ```
/// use highwater::events::{Emitter, Overflow, ZeroCapacity};
///
/// let rejected = Emitter::<u8>::new().inbox("reader", 0, Overflow::Wait);
/// assert_eq!(rejected.unwrap_err(), ZeroCapacity);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an inbox needs a capacity of at least 1")]
pub struct ZeroCapacity;
