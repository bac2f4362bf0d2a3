//! A subscription that is read as an asynchronous stream.

#[cfg(all(test, loom))]
mod loom_tests;
mod monitor;
mod queue;
mod refusal;
mod waiting;

pub use monitor::InboxMonitor;
pub use refusal::{InboxFull, ZeroCapacity};

use super::{
    Bus, Emitter, ListenerId, Overflow, Subscription,
    listener::{Listen, Started},
    lists::Place,
};
use crate::BoxError;
use futures::{Stream, stream::FusedStream};
use queue::{Queue, Sent};
use std::{
    collections::VecDeque,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use waiting::Waiting;

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
    queue: Arc<Queue<E>>,
    /// Taken out of the queue, to be read without its lock.
    batch: VecDeque<E>,
    has_ended: bool,
    subscription: Subscription,
}

/// What went through an inbox, and what did not.
///
/// Every event received was taken, dropped or refused, or is queued.
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
/// assert_eq!((stats.received, stats.dropped, stats.taken, stats.queued), (3, 1, 1, 1));
/// assert_eq!(stats.peak, 2);
/// # Ok::<(), highwater::events::ZeroCapacity>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct InboxStats {
    /// Events it was handed. One whose emit still waits for room is not yet.
    pub received: u64,
    /// Events that were read.
    pub taken: u64,
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
        let queue = Arc::new(Queue::new(capacity, overflow));
        let listen = Arc::new(Intake(Arc::clone(&queue)));
        Ok(Inbox {
            queue,
            batch: VecDeque::new(),
            has_ended: false,
            subscription: self.add(Place::Last, false, name.into(), listen),
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
    /// assert_eq!((stats.received, stats.queued, stats.dropped), (2, 1, 1));
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
    /// assert_eq!(monitor.stats().taken, 1);
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
struct Intake<E>(Arc<Queue<E>>);

impl<E: Clone + Send + Sync + 'static> Listen<E> for Intake<E> {
    fn call(&self, event: &E) -> Result<(), BoxError> {
        match self.0.send(event.clone(), false) {
            Sent::Done | Sent::NoRoom(_) => Ok(()),
            Sent::Refused(full) => Err(full.into()),
        }
    }

    fn start(&self, event: &E) -> Started {
        match self.0.send(event.clone(), true) {
            Sent::Done => Started::Done(Ok(())),
            Sent::Refused(full) => Started::Done(Err(full.into())),
            Sent::NoRoom(event) => {
                let waiting = Waiting::new(Arc::clone(&self.0), event);
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
impl<E> Drop for Intake<E> {
    fn drop(&mut self) {
        self.0.close();
    }
}
