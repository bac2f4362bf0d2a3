//! Chains of causes.

use std::{error::Error, fmt, iter::FusedIterator};

/// An iterator over the sources of an error, from the direct cause to the root cause.
///
/// It stops after [`MAX_DEPTH`](Self::MAX_DEPTH) sources, because an error may return
/// itself as its source.
///
/// An [`AppError`](super::AppError) in the chain prints its public message. To log the
/// whole chain, print the first error as `{error:#}`.
///
/// ```
/// use highwater::error::AppError;
/// use std::io;
///
/// let refused = io::Error::from(io::ErrorKind::ConnectionRefused);
/// let error = AppError::unavailable("stripe").with_source(refused);
/// let chain: Vec<_> = error.chain().map(ToString::to_string).collect();
/// assert_eq!(chain, ["connection refused"]);
/// ```
#[derive(Clone)]
pub struct Chain<'a> {
    next: Option<&'a (dyn Error + 'static)>,
    remaining: usize,
}

impl<'a> Chain<'a> {
    /// The maximum number of sources.
    pub const MAX_DEPTH: usize = 16;

    pub(super) fn new(first: Option<&'a (dyn Error + 'static)>) -> Self {
        Chain {
            next: first,
            remaining: Self::MAX_DEPTH,
        }
    }
}

impl<'a> Iterator for Chain<'a> {
    type Item = &'a (dyn Error + 'static);

    fn next(&mut self) -> Option<Self::Item> {
        self.remaining = self.remaining.checked_sub(1)?;
        let link = self.next.take()?;
        self.next = link.source();
        Some(link)
    }
}

impl FusedIterator for Chain<'_> {}

impl fmt::Debug for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}
