//! Extension methods for results.

use super::{AppError, Classification};
use std::{error::Error, fmt};

/// Classifies the error of a `Result`, or adds context to it.
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
    /// Classifies the error with an [`ErrorKind`](super::ErrorKind) or a
    /// [`Classification`]. The error becomes the source.
    ///
    /// This overrides the error's own classification. For example, a missing file is
    /// usually a server error, but here it may be the client's.
    ///
    /// # Errors
    ///
    /// Returns the classified error.
    ///
    /// ```
    /// use highwater::error::{ErrorKind, ResultExt};
    ///
    /// let error = "seven".parse::<u32>().classified(ErrorKind::InvalidInput).unwrap_err();
    /// assert_eq!((error.status(), error.chain().count()), (400, 1));
    /// ```
    fn classified(self, classification: impl Into<Classification>) -> Result<T, AppError>
    where
        E: Error + Send + Sync + 'static;

    /// Adds a value for the log.
    ///
    /// # Errors
    ///
    /// Returns the error with the value.
    ///
    /// ```
    /// use highwater::error::{AppError, ResultExt};
    ///
    /// let result: Result<(), _> = Err(AppError::timeout("reading the stock"));
    /// let error = result.context("order", 42).unwrap_err();
    /// assert_eq!(error.context().last(), Some(("order", "42")));
    /// ```
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
        // In a closure, `track_caller` would not report the caller.
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
