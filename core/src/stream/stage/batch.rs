//! Several items as one.

use super::Stage;
use crate::stream::{InvalidBound, Weigh};
use std::convert::Infallible;

/// A [`Stage`] that makes one `Vec` of every so many items; the last may be
/// shorter.
#[derive(Debug)]
pub struct Batch<T> {
    size: usize,
    items: Vec<T>,
    weight: usize,
    is_finished: bool,
}

impl<T> Batch<T> {
    /// Batches of `size` items.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`].
    pub fn new(size: usize) -> Result<Self, InvalidBound> {
        if size == 0 {
            return Err(InvalidBound::Zero);
        }
        Ok(Self::with_size(size))
    }

    /// `size` is not 0.
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
        let is_due = self.items.len() == self.size || self.is_finished;
        if !is_due || self.items.is_empty() {
            return Ok(None);
        }
        self.weight = 0;
        Ok(Some(std::mem::take(&mut self.items)))
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        self.is_finished = true;
        Ok(())
    }

    fn held(&self) -> usize {
        self.weight
    }
}
