//! What makes `?` pleasant.

use super::{AppError, Classification};
use std::{error::Error, fmt};

/// Classifies, and adds to, the error of a `Result`.
///
/// ```
/// use highwater::error::{AppError, ErrorKind, ResultExt};
///
/// fn page(query: &str) -> Result<u32, AppError> {
///     query.parse().classified(ErrorKind::InvalidInput).context("page", query)
/// }
///
/// assert_eq!(page("7").unwrap(), 7);
/// let error = page("seven").unwrap_err();
/// assert_eq!(error.status(), 400);
/// assert_eq!(format!("{error:#}"), "invalid digit found in string");
/// assert_eq!(error.context().next(), Some(("page", "seven")));
/// assert_eq!(error.location().file(), file!());
/// ```
pub trait ResultExt<T, E>: Sized {
    /// Says what follows from an error that does not know itself, here: a
    /// [`ErrorKind`](super::ErrorKind), or a [`Classification`]. The error becomes the
    /// source.
    ///
    /// It also overrules what an error says about itself: a file that is not
    /// found is usually our failure, and here it may be the client's.
    ///
    /// # Errors
    ///
    /// The error, classified.
    fn classified(self, classification: impl Into<Classification>) -> Result<T, AppError>
    where
        E: Error + Send + Sync + 'static;

    /// Adds a value for the log.
    ///
    /// # Errors
    ///
    /// The error, with the value.
    fn context(self, key: &'static str, value: impl fmt::Display) -> Result<T, AppError>
    where
        E: Into<AppError>;
}

impl<T, E> ResultExt<T, E> for Result<T, E> {
    #[track_caller]
    fn classified(self, classification: impl Into<Classification>) -> Result<T, AppError>
    where
        E: Error + Send + Sync + 'static,
    {
        // No closure: it would be the caller.
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(AppError::new(classification).with_source(error)),
        }
    }

    #[track_caller]
    fn context(self, key: &'static str, value: impl fmt::Display) -> Result<T, AppError>
    where
        E: Into<AppError>,
    {
        match self {
            Ok(value) => Ok(value),
            Err(error) => Err(error.into().with_context(key, value)),
        }
    }
}
