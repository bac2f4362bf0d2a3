//! Errors of a full pool.

use crate::error::{AppError, Classification, Classify, ErrorKind};
use std::{error::Error, fmt, time::Duration};

/// The error for a full pool. It contains the rejected work.
///
/// ```
/// use highwater::{error::AppError, scale::{Pool, PoolOptions}};
/// use std::sync::Mutex;
///
/// # let later = Mutex::new(Vec::new());
/// # let pool = Pool::new(PoolOptions::new(1).waiting(0), move |work| later.lock().unwrap().push(work));
///
/// let _busy = pool.try_run(|_| ());
/// let rejected = pool.try_run(|_| "worth it").unwrap_err();
/// let error = AppError::from(rejected);
/// assert_eq!((error.status(), error.retry_after().is_some()), (503, true));
/// ```
pub struct Rejected<F> {
    /// The rejected work.
    pub work: F,
    /// The time to wait before a retry.
    pub retry_after: Duration,
}

impl<F> Rejected<F> {
    /// Returns the rejected work.
    ///
    /// ```
    /// use highwater::scale::Rejected;
    /// use std::time::Duration;
    ///
    /// let rejected = Rejected { work: "this", retry_after: Duration::from_secs(1) };
    /// assert_eq!(rejected.into_inner(), "this");
    /// ```
    pub fn into_inner(self) -> F {
        self.work
    }

    /// Returns the error without the work.
    ///
    /// ```
    /// use highwater::scale::Rejected;
    /// use std::time::Duration;
    ///
    /// let rejected = Rejected { work: "this", retry_after: Duration::from_millis(20) };
    /// assert_eq!(rejected.without_work().to_string(), "the queue is full: try again in 20ms");
    /// ```
    pub fn without_work(self) -> QueueFull {
        QueueFull {
            retry_after: self.retry_after,
        }
    }
}

impl<F> fmt::Display for Rejected<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let retry_after = self.retry_after;
        QueueFull { retry_after }.fmt(f)
    }
}

impl<F> fmt::Debug for Rejected<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejected")
            .field("retry_after", &self.retry_after)
            .finish_non_exhaustive()
    }
}

impl<F> Error for Rejected<F> {}

/// Converts like [`QueueFull`], dropping the work.
impl<F> From<Rejected<F>> for AppError {
    #[track_caller]
    fn from(rejected: Rejected<F>) -> Self {
        AppError::from(rejected.without_work())
    }
}

/// The error for a full pool, without the rejected work.
///
/// ```
/// use highwater::{error::{AppError, ErrorKind}, scale::QueueFull};
/// use std::time::Duration;
///
/// let error = AppError::from(QueueFull { retry_after: Duration::from_secs(2) });
/// assert_eq!(error.kind(), ErrorKind::Unavailable);
/// assert_eq!(error.retry_after(), Some(Duration::from_secs(2)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the queue is full: try again in {retry_after:?}")]
pub struct QueueFull {
    /// The time to wait before a retry.
    pub retry_after: Duration,
}

/// An overload is transient, and the error says when to retry.
impl Classify for QueueFull {
    fn classify(&self) -> Classification {
        Classification::new(ErrorKind::Unavailable).with_retry_after(self.retry_after)
    }
}
