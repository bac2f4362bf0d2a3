//! What a breaker answers.

use crate::error::{Classification, Classify, Kind};
use std::time::Duration;

/// One call may be made. To be given back with how it went.
///
/// One that is dropped instead counts for nothing; while the breaker probes, its
/// place is taken, after a while, by another.
///
/// ```
/// # use highwater::error::{Breaker, BreakerState, Permit};
/// # use std::time::Duration;
/// let mut breaker = Breaker::new("stripe").failures(1);
/// let permit: Permit = breaker.admit(Duration::ZERO).unwrap();
/// drop(permit);
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// ```
#[derive(Debug, PartialEq, Eq)]
#[must_use = "give it back with how the call went"]
pub struct Permit {
    pub(super) generation: u64,
}

/// The call may not be made: the dependency is left alone. Becomes an
/// [unavailable](Kind::Unavailable) [`AppError`](crate::error::AppError) by `?`.
///
/// ```
/// # use highwater::error::{AppError, Breaker, BreakerOpen};
/// # use std::time::Duration;
/// let mut breaker = Breaker::new("stripe").failures(1);
/// let permit = breaker.admit(Duration::ZERO).unwrap();
/// breaker.failed(permit, Duration::ZERO);
/// let open: BreakerOpen = breaker.admit(Duration::ZERO).unwrap_err();
/// assert_eq!(open.to_string(), "stripe is left alone, as it failed");
/// assert_eq!(AppError::from(open).status(), 503);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{dependency} is left alone, as it failed")]
pub struct BreakerOpen {
    /// What the breaker is for.
    pub dependency: &'static str,
    /// Before this has passed no call is admitted; 0 if the outcome of the probes
    /// is waited for.
    pub retry_after: Duration,
}

impl Permit {
    /// It is good for one report.
    pub(super) fn generation(self) -> u64 {
        self.generation
    }
}

impl Classify for BreakerOpen {
    fn classify(&self) -> Classification {
        Classification::new(Kind::Unavailable).with_retry_after(self.retry_after)
    }
}
