//! One item at most for each.

use super::Stage;
use crate::BoxError;

/// `map`, `try_map` and `filter_map`.
pub(in crate::stream) struct Each<F, O> {
    make: F,
    output: Option<O>,
}

impl<F, O> Each<F, O> {
    pub(in crate::stream) fn new(make: F) -> Self {
        Each { make, output: None }
    }
}

impl<T, O, F: FnMut(T) -> Result<Option<O>, BoxError>> Stage<T> for Each<F, O> {
    type Output = O;
    type Error = BoxError;

    fn push(&mut self, item: T) -> Result<(), BoxError> {
        self.output = (self.make)(item)?;
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<O>, BoxError> {
        Ok(self.output.take())
    }
}
