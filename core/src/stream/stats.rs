//! What went through a channel.

use std::{ops::AddAssign, time::Duration};

/// A number of items, and what they weigh together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub struct Amount {
    /// How many items.
    pub items: u64,
    /// Their weight: in bytes, in items or whatever the [`Bound`] counts.
    ///
    /// [`Bound`]: super::Bound
    pub weight: u64,
}

/// What went through a channel, and what did not.
///
/// Every item sent was received or dropped, or is queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
#[non_exhaustive]
pub struct Stats {
    /// Items it took from senders. One that still waits for room is not among
    /// them yet.
    pub sent: Amount,
    /// Items that were read.
    pub received: Amount,
    /// Items it took and gave up: for a new one, as the new one, or because of
    /// an abort.
    pub dropped: Amount,
    /// Items given back because there was no room.
    pub refused: Amount,
    /// Items to be read.
    pub queued: Amount,
    /// The most that was queued at once, as weight.
    pub peak: usize,
    /// Senders that wait for room.
    pub waiting: usize,
    /// How long at least one sender waited for room. `None` without a
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

    pub(super) fn minus(self, other: Self) -> Self {
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
