//! A bounded buffer that drops its oldest items.

use std::collections::VecDeque;

/// A buffer of the newest `capacity` items, which counts the items it dropped.
///
/// A trace must not grow without bound when it is not read, and a recorder must not
/// wait for its reader. So the oldest record is dropped, and counted.
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
    /// Creates a ring of `capacity` items; 0 counts as 1. Memory is allocated as items
    /// arrive.
    ///
    /// ```
    /// use highwater::trace::Ring;
    ///
    /// let mut ring = Ring::new(0);
    /// ring.extend(["old", "new"]);
    /// assert_eq!(ring.drain().collect::<Vec<_>>(), ["new"]);
    /// ```
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Ring {
            items: VecDeque::new(),
            capacity: capacity.max(1),
            dropped: 0,
        }
    }

    /// Adds an item. If the ring is full, the oldest item is dropped and counted.
    ///
    /// ```
    /// use highwater::trace::Ring;
    ///
    /// let mut ring = Ring::new(1);
    /// ring.push("old");
    /// ring.push("new");
    /// assert_eq!((ring.len(), ring.dropped()), (1, 1));
    /// ```
    pub fn push(&mut self, item: T) {
        if self.items.len() == self.capacity {
            self.items.pop_front();
            self.dropped += 1;
        }
        self.items.push_back(item);
    }

    /// Removes all items and returns them, oldest first. The count of dropped items
    /// is kept.
    ///
    /// ```
    /// use highwater::trace::Ring;
    ///
    /// let mut ring = Ring::new(4);
    /// ring.extend([1, 2]);
    /// assert_eq!(ring.drain().sum::<u32>(), 3);
    /// assert!(ring.is_empty());
    /// ```
    pub fn drain(&mut self) -> impl Iterator<Item = T> + '_ {
        std::mem::take(&mut self.items).into_iter()
    }

    /// Returns the number of items dropped since the ring was made.
    ///
    /// ```
    /// use highwater::trace::Ring;
    ///
    /// let mut ring = Ring::new(2);
    /// ring.extend(0..5);
    /// assert_eq!(ring.dropped(), 3);
    /// ```
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Returns the number of items in the ring.
    ///
    /// ```
    /// use highwater::trace::Ring;
    ///
    /// let mut ring = Ring::new(2);
    /// ring.extend(0..5);
    /// assert_eq!(ring.len(), 2);
    /// ```
    pub fn len(&self) -> usize {
        self.items.len()
    }

    /// Returns whether the ring is empty.
    ///
    /// ```
    /// use highwater::trace::Ring;
    ///
    /// assert!(Ring::<u8>::new(2).is_empty());
    /// ```
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
