//! Counters of a queue.

use std::{ops::AddAssign, time::Duration};

/// A number of items and their total weight.
///
/// ```
/// use highwater::stream::Amount;
///
/// let mut total = Amount { items: 2, weight: 10 };
/// total += Amount { items: 1, weight: 5 };
/// assert_eq!(total, Amount { items: 3, weight: 15 });
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Amount {
    /// Number of items.
    pub items: u64,
    /// Their total weight: in items, in bytes, or in the unit of the [`Bound`].
    ///
    /// [`Bound`]: crate::stream::Bound
    pub weight: u64,
}

/// A snapshot of a channel's counters.
///
/// Every sent item was received, was dropped or is queued: `sent` is always the sum
/// of `received`, `dropped` and `queued`.
///
/// ```
/// use highwater::{Overflow, stream::{Bound, channel}};
///
/// let (sender, mut receiver) = channel(Bound::items(2)?, Overflow::DropOldest);
/// for item in 1..=4 {
///     sender.try_send(item)?;
/// }
/// assert_eq!(receiver.try_recv()?, 3);
/// let stats = receiver.stats();
/// assert_eq!((stats.sent.items, stats.received.items), (4, 1));
/// assert_eq!((stats.dropped.items, stats.queued.items), (2, 1));
/// assert_eq!((stats.rejected.items, stats.peak, stats.waiting), (0, 2, 0));
/// assert_eq!(stats.stalled, None, "it needs a clock");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Items accepted from senders. Items still waiting for room do not count.
    pub sent: Amount,
    /// Items read.
    pub received: Amount,
    /// Accepted items dropped before they were read: by an overflow policy or by an
    /// abort.
    pub dropped: Amount,
    /// Items returned to their sender because the channel was full.
    pub rejected: Amount,
    /// Items waiting to be read.
    pub queued: Amount,
    /// The highest total weight queued at once, in the unit of [`Amount::weight`].
    pub peak: usize,
    /// Number of senders waiting for room.
    pub waiting: usize,
    /// Total time during which at least one sender waited for room. `None` without a
    /// [`Clock`](crate::Clock).
    pub stalled: Option<Duration>,
}

impl Amount {
    pub(super) fn one(weight: usize) -> Self {
        Amount {
            items: 1,
            weight: weight as u64,
        }
    }

    pub(super) fn new(items: usize, weight: usize) -> Self {
        Amount {
            items: items as u64,
            weight: weight as u64,
        }
    }

    pub(crate) fn minus(self, other: Self) -> Self {
        Amount {
            items: self.items.saturating_sub(other.items),
            weight: self.weight.saturating_sub(other.weight),
        }
    }
}

impl AddAssign for Amount {
    fn add_assign(&mut self, other: Self) {
        self.items += other.items;
        self.weight = self.weight.saturating_add(other.weight);
    }
}
