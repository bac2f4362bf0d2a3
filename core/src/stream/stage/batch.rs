//! The stage that collects items into batches.

use super::Stage;
use crate::stream::{InvalidBound, Weigh};
use std::convert::Infallible;

/// A [`Stage`] that collects items into `Vec`s of a fixed length. The last `Vec` may be
/// shorter.
///
/// ```
/// use highwater::stream::{Batch, Stage};
///
/// let mut pairs = Batch::new(2)?;
/// pairs.push("a")?;
/// assert_eq!(pairs.pull()?, None);
/// pairs.push("b")?;
/// assert_eq!(pairs.pull()?, Some(vec!["a", "b"]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Batch<T> {
    size: usize,
    items: Vec<T>,
    weight: usize,
    is_finished: bool,
}

impl<T> Batch<T> {
    /// Creates a stage that yields batches of `size` items.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`] if `size` is 0.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, stream};
    /// use highwater::stream::{Batch, Pipeline};
    ///
    /// let batches = Pipeline::from_stream("numbers", stream::iter([1, 2, 3]))
    ///     .stage("pairs", Batch::new(2)?)
    ///     .into_stream();
    /// let batches: Vec<_> = block_on(batches.try_collect())?;
    /// assert_eq!(batches, [vec![1, 2], vec![3]]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(size: usize) -> Result<Self, InvalidBound> {
        if size == 0 {
            return Err(InvalidBound::Zero);
        }
        Ok(Self::with_size(size))
    }

    /// `size` must not be 0.
    pub(in crate::stream) fn with_size(size: usize) -> Self {
        Batch {
            size,
            items: Vec::new(),
            weight: 0,
            is_finished: false,
        }
    }
}

impl<T: Weigh> Stage<T> for Batch<T> {
    type Output = Vec<T>;
    type Error = Infallible;

    fn push(&mut self, item: T) -> Result<(), Infallible> {
        self.weight = self.weight.saturating_add(item.weight());
        self.items.push(item);
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Vec<T>>, Infallible> {
        let is_complete = self.items.len() == self.size || self.is_finished;
        if !is_complete || self.items.is_empty() {
            return Ok(None);
        }
        self.weight = 0;
        Ok(Some(std::mem::take(&mut self.items)))
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        self.is_finished = true;
        Ok(())
    }

    fn held_weight(&self) -> usize {
        self.weight
    }
}
