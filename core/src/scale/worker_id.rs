//! The identity of a supervised worker.

use std::fmt;

/// The id of a worker under a [`Supervisor`](super::Supervisor): its slot and its
/// generation.
///
/// Ids are ordered by slot, then by generation. [`Display`](fmt::Display) numbers
/// workers from 1, as logs do.
///
/// ```
/// use highwater::scale::WorkerId;
///
/// let worker = WorkerId::new(1, 3);
/// assert_eq!(worker.to_string(), "worker 2, generation 3");
/// assert!(worker < WorkerId { slot: 1, generation: 4 });
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerId {
    /// The index of the slot, from 0.
    pub slot: usize,
    /// The number of workers started in the slot up to and including this one.
    pub generation: u64,
}

impl WorkerId {
    /// Returns the id of a slot's worker.
    ///
    /// ```
    /// use highwater::scale::WorkerId;
    ///
    /// assert_eq!(WorkerId::new(0, 1), WorkerId { slot: 0, generation: 1 });
    /// ```
    #[must_use]
    pub const fn new(slot: usize, generation: u64) -> Self {
        WorkerId { slot, generation }
    }
}

impl fmt::Display for WorkerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let WorkerId { slot, generation } = self;
        write!(f, "worker {}, generation {generation}", slot + 1)
    }
}
