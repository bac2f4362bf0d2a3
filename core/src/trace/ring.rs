//! A bounded buffer that loses the oldest and says how many.

use std::collections::VecDeque;

/// Keeps the newest `capacity` items and counts what it had to drop.
///
/// A trace may not grow without bound when nobody reads it, and a recorder may
/// not wait for its reader: so the oldest record goes, and is counted.
///
/// ```
/// use highwater::trace::Ring;
///
/// let mut ring = Ring::new(2);
/// ring.extend([1, 2, 3]);
/// assert_eq!(ring.dropped(), 1);
/// assert_eq!(ring.drain().collect::<Vec<_>>(), [2, 3]);
/// ```
#[derive(Clone, Debug)]
pub struct Ring<T> {
    items: VecDeque<T>,
    capacity: usize,
    dropped: u64,
}

impl<T> Ring<T> {
    /// A ring of `capacity` items; a capacity of 0 counts as 1. Memory is
    /// taken as items arrive, not in advance.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Ring {
            items: VecDeque::new(),
            capacity: capacity.max(1),
            dropped: 0,
        }
    }

    /// Adds an item. When full, the oldest is dropped and counted.
    pub fn push(&mut self, item: T) {
        if self.items.len() == self.capacity {
            self.items.pop_front();
            self.dropped += 1;
        }
        self.items.push_back(item);
    }

    /// Takes all items, oldest first. The drop counter stays.
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        self.items.drain(..)
    }

    /// How many items were dropped since the ring was made.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// How many items are held.
    #[must_use]
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether nothing is held.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.items.is_empty()
    }
}

impl<T> Extend<T> for Ring<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, items: I) {
        for item in items {
            self.push(item);
        }
    }
}
