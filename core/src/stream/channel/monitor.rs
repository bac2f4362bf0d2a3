//! A handle to a channel's counters.

use super::queue::ChannelQueue;
use crate::{stream::Stats, sync::Arc};
use std::fmt;

/// A handle that reads the statistics of a channel, made by
/// [`Receiver::monitor`](super::Receiver::monitor) or
/// [`Sender::monitor`](super::Sender::monitor).
///
/// It is cheap to clone and independent of the item type. It does not keep the channel
/// open.
///
/// ```
/// use futures::{executor::block_on, sink};
/// use highwater::{Overflow, stream::{Bound, Pipeline, channel}};
///
/// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
/// let monitor = receiver.monitor();
/// let run = Pipeline::from_try_stream("queue", receiver).into_sink("drain", sink::drain());
/// sender.try_send(7)?;
/// assert_eq!(monitor.stats().queued.items, 1);
///
/// drop(sender);
/// block_on(run)?;
/// assert_eq!(monitor.stats().received.items, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ChannelMonitor(Arc<dyn Fn() -> Stats + Send + Sync>);

impl ChannelMonitor {
    pub(super) fn new<T: Send + 'static>(queue: &Arc<ChannelQueue<T>>) -> Self {
        let queue = Arc::clone(queue);
        ChannelMonitor(Arc::new(move || queue.stats()))
    }

    /// Returns a snapshot of the channel's counters, even after the channel has ended.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::items(2)?, Overflow::Wait);
    /// let monitor = receiver.monitor();
    /// sender.try_send(7)?;
    /// drop(receiver);
    /// assert_eq!(monitor.stats().dropped.items, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stats(&self) -> Stats {
        (self.0)()
    }
}

impl fmt::Debug for ChannelMonitor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelMonitor")
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}
