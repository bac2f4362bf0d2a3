//! How much a channel holds.

use super::Weigh;
use std::fmt;

/// What a channel may hold: a high-water mark and a low-water mark, in items
/// or in bytes.
///
/// - **There is room** as long as what is queued weighs less than the high
///   mark. The item that reaches or passes it is still admitted, whatever it
///   weighs, so that even one heavier than the whole bound gets through. What
///   is queued therefore never weighs more than the high mark and one item.
/// - **Whoever waits for room is woken** when the queue has drained to the low
///   mark, which is half the high one unless told otherwise: waking for every
///   single place would cost a change of tasks for each item. One is woken there,
///   another for each item read after that and by each one that goes on, and all
///   there is room for once nothing is left to be read. A reader that
///   stops reading above the low mark leaves the senders waiting. Where it has
///   to stop, for instance to wait for what a sender does next, let `low` be
///   one less than `high`.
///
/// ```
/// use highwater::stream::{Bound, InvalidBound};
///
/// let bound: Bound<Vec<u8>> = Bound::bytes(64 * 1024)?.low(16 * 1024)?;
/// assert_eq!((bound.high_mark(), bound.low_mark()), (65_536, 16_384));
///
/// // Anything can be weighed.
/// let pixels: Bound<(usize, usize)> = Bound::weight(1_000_000, |(width, height)| width * height)?;
/// assert_eq!(pixels.low_mark(), 500_000);
///
/// assert_eq!(Bound::<u32>::items(0).unwrap_err(), InvalidBound::Zero);
/// # Ok::<(), InvalidBound>(())
/// ```
pub struct Bound<T> {
    high: usize,
    low: usize,
    /// Without it, each item weighs 1.
    weigh: Option<fn(&T) -> usize>,
}

/// A bound that makes no sense was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBound {
    /// There would be no room at all.
    #[error("a high-water mark, a window or a size has to be at least 1")]
    Zero,
    /// The low mark has to be below the high one.
    #[error("the low-water mark {low} has to be below the high-water mark {high}")]
    LowNotBelowHigh {
        /// The low mark asked for.
        low: usize,
        /// The high mark it goes with.
        high: usize,
    },
}

impl<T> Bound<T> {
    /// At most `high` items.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`].
    pub const fn items(high: usize) -> Result<Self, InvalidBound> {
        Self::new(high, None)
    }

    /// Items that weigh `high` together, by a weight of your own: it is asked
    /// once for each item. Of items that weigh nothing there may be any number.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`].
    pub const fn weight(high: usize, weigh: fn(&T) -> usize) -> Result<Self, InvalidBound> {
        Self::new(high, Some(weigh))
    }

    /// The same with another low-water mark. At 0, who waits is woken by an
    /// empty queue only, as in Node.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::LowNotBelowHigh`].
    pub const fn low(mut self, low: usize) -> Result<Self, InvalidBound> {
        if low >= self.high {
            let high = self.high;
            return Err(InvalidBound::LowNotBelowHigh { low, high });
        }
        self.low = low;
        Ok(self)
    }

    /// From this weight on, there is no room.
    pub const fn high_mark(&self) -> usize {
        self.high
    }

    /// Down to this weight the queue drains before those that wait are woken.
    pub const fn low_mark(&self) -> usize {
        self.low
    }

    /// What an item weighs in it.
    pub fn weight_of(&self, item: &T) -> usize {
        self.weigh.map_or(1, |weigh| weigh(item))
    }

    const fn new(high: usize, weigh: Option<fn(&T) -> usize>) -> Result<Self, InvalidBound> {
        if high == 0 {
            return Err(InvalidBound::Zero);
        }
        Ok(Bound {
            high,
            low: high / 2,
            weigh,
        })
    }
}

impl<T: Weigh> Bound<T> {
    /// Items of `high` bytes together, as [`Weigh`] tells. One of no length, such
    /// as an empty line, counts as one byte: else there could be any number of
    /// them.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`].
    pub fn bytes(high: usize) -> Result<Self, InvalidBound> {
        Self::new(high, Some(|item| item.weight().max(1)))
    }
}

// Whatever the items are: a derive would ask the same of them.
impl<T> Clone for Bound<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Bound<T> {}

impl<T> fmt::Debug for Bound<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("high", &self.high)
            .field("low", &self.low)
            .finish_non_exhaustive()
    }
}
