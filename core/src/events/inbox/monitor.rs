//! The statistics of an inbox that somebody else owns.

use super::{InboxStats, queue::Queue};
use std::{fmt, sync::Arc};

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
pub struct InboxMonitor(Arc<dyn Watched>);

impl InboxMonitor {
    pub(super) fn new<E: Send + 'static>(queue: Arc<Queue<E>>) -> Self {
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
trait Watched: Send + Sync {
    fn stats(&self) -> InboxStats;
    fn capacity(&self) -> usize;
    fn is_closed(&self) -> bool;
}

impl<E: Send> Watched for Queue<E> {
    fn stats(&self) -> InboxStats {
        Queue::stats(self)
    }

    fn capacity(&self) -> usize {
        Queue::capacity(self)
    }

    fn is_closed(&self) -> bool {
        Queue::is_closed(self)
    }
}
