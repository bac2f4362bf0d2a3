//! The capacity of a channel.

use super::Weigh;
use std::fmt;

/// The capacity of a channel: a high-water mark and a low-water mark, in items, in
/// bytes or in a custom unit.
///
/// - **High-water mark.** The channel has room while the queued items weigh less than
///   this. The item that reaches or exceeds the mark is still accepted, whatever its
///   weight, so that an item heavier than the whole bound can be sent. Queued items
///   therefore never weigh more than the high-water mark plus one item.
/// - **Low-water mark.** Waiting senders are woken once the queue has drained to this
///   weight. It defaults to half the high-water mark: waking a sender for every free
///   slot would cost a task switch per item. One sender is woken at the low-water mark.
///   After that, each read and each sender that proceeds wakes one more. An empty queue
///   wakes as many senders as it has room for.
///
/// If the reader stops above the low-water mark, senders keep waiting. If the reader
/// itself waits for a sender, set the low-water mark to one less than the high-water
/// mark to avoid a deadlock.
///
/// ```
/// use highwater::stream::{Bound, InvalidBound};
///
/// let bound: Bound<Vec<u8>> = Bound::bytes(64 * 1024)?.with_low_water_mark(16 * 1024)?;
/// assert_eq!((bound.high_water_mark(), bound.low_water_mark()), (65_536, 16_384));
///
/// // Weights can be in any unit.
/// let pixels: Bound<(usize, usize)> = Bound::weight(1_000_000, |(width, height)| width * height)?;
/// assert_eq!(pixels.low_water_mark(), 500_000);
///
/// assert_eq!(Bound::<u32>::items(0).unwrap_err(), InvalidBound::Zero);
/// # Ok::<(), InvalidBound>(())
/// ```
pub struct Bound<T> {
    high: usize,
    low: usize,
    /// `None`: each item weighs 1.
    weigh: Option<fn(&T) -> usize>,
}

/// The error for an invalid bound, window or size.
///
/// ```
/// use highwater::stream::{Bound, InvalidBound};
///
/// let error = Bound::<u8>::items(4)?.with_low_water_mark(4).unwrap_err();
/// assert_eq!(error, InvalidBound::LowNotBelowHigh { low: 4, high: 4 });
/// assert_eq!(
///     error.to_string(),
///     "the low-water mark 4 must be below the high-water mark 4"
/// );
/// # Ok::<(), InvalidBound>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidBound {
    /// A high-water mark, window or size is 0.
    #[error("high-water marks, windows and sizes must be at least 1")]
    Zero,
    /// The low-water mark is not below the high-water mark.
    #[error("the low-water mark {low} must be below the high-water mark {high}")]
    LowNotBelowHigh {
        /// The rejected low-water mark.
        low: usize,
        /// The bound's high-water mark.
        high: usize,
    },
}

impl<T> Bound<T> {
    /// Limits the number of queued items to `high`.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`] if `high` is 0.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, _receiver) = channel(Bound::items(1)?, Overflow::Fail);
    /// sender.try_send("first")?;
    /// assert!(sender.try_send("second").unwrap_err().is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn items(high: usize) -> Result<Self, InvalidBound> {
        Self::new(high, None)
    }

    /// Limits the total weight of queued items to `high`, in a custom unit.
    ///
    /// `weigh` is called once per item. The number of items with weight 0 is not
    /// limited.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`] if `high` is 0.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let rows = Bound::weight(100, |page: &Vec<u64>| page.len())?;
    /// let (sender, _receiver) = channel(rows, Overflow::Fail);
    /// sender.try_send(vec![0; 99])?;
    /// sender.try_send(vec![0; 50])?; // the item that exceeds the mark
    /// assert!(sender.try_send(vec![0]).unwrap_err().is_full());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub const fn weight(high: usize, weigh: fn(&T) -> usize) -> Result<Self, InvalidBound> {
        Self::new(high, Some(weigh))
    }

    /// Sets the low-water mark. At 0, senders wait until the queue is empty, as in
    /// Node.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::LowNotBelowHigh`] if `low` is not below the high-water mark.
    ///
    /// ```
    /// use highwater::stream::Bound;
    ///
    /// let bound = Bound::<u8>::items(10)?.with_low_water_mark(9)?;
    /// assert_eq!(bound.low_water_mark(), 9);
    /// assert!(bound.with_low_water_mark(10).is_err());
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
    pub const fn with_low_water_mark(mut self, low: usize) -> Result<Self, InvalidBound> {
        if low >= self.high {
            let high = self.high;
            return Err(InvalidBound::LowNotBelowHigh { low, high });
        }
        self.low = low;
        Ok(self)
    }

    /// Returns the high-water mark: the weight at which the channel is full.
    ///
    /// ```
    /// use highwater::stream::Bound;
    ///
    /// let bound = Bound::<u8>::items(10)?;
    /// assert_eq!((bound.high_water_mark(), bound.low_water_mark()), (10, 5));
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
    pub const fn high_water_mark(&self) -> usize {
        self.high
    }

    /// Returns the low-water mark: the weight at which waiting senders are woken.
    ///
    /// ```
    /// use highwater::stream::Bound;
    ///
    /// assert_eq!(Bound::<u8>::items(10)?.low_water_mark(), 5);
    /// assert_eq!(Bound::<u8>::items(10)?.with_low_water_mark(0)?.low_water_mark(), 0);
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
    pub const fn low_water_mark(&self) -> usize {
        self.low
    }

    /// Returns the weight that an item counts towards this bound.
    ///
    /// ```
    /// use highwater::stream::Bound;
    ///
    /// assert_eq!(Bound::items(10)?.weight_of(&"text"), 1);
    /// assert_eq!(Bound::bytes(10)?.weight_of(&"text"), 4);
    /// assert_eq!(Bound::bytes(10)?.weight_of(&""), 1);
    /// # Ok::<(), highwater::stream::InvalidBound>(())
    /// ```
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
    /// Limits the total size of queued items to `high` bytes, as reported by [`Weigh`].
    ///
    /// An empty item, such as an empty line, counts as one byte, so that the number of
    /// items is bounded too.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`] if `high` is 0.
    ///
    /// ```
    /// use highwater::{Overflow, stream::{Bound, channel}};
    ///
    /// let (sender, receiver) = channel(Bound::bytes(8)?, Overflow::Fail);
    /// sender.try_send("12345678")?;
    /// assert!(sender.try_send("9").unwrap_err().is_full());
    /// assert_eq!(receiver.stats().queued.weight, 8);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn bytes(high: usize) -> Result<Self, InvalidBound> {
        Self::new(high, Some(|item| item.weight().max(1)))
    }
}

// Not derived, because a derive would require `T: Clone`.
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
