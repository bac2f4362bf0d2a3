//! Answers of a breaker.

use super::Breaker;
use crate::{
    error::{Classification, Classify, Kind},
    sync::Arc,
};
use std::time::Duration;

/// Permission to make one call, from [`Breaker::admit`]. Hand it to
/// [`Breaker::record`] with the outcome.
///
/// Dropped instead, it counts for nothing, and a half-open breaker admits
/// another call in its place.
///
/// ```
/// # use highwater::error::{Breaker, BreakerState, Permit};
/// # use std::time::Duration;
/// let breaker = Breaker::new("stripe").failure_threshold(1);
/// let permit: Permit = breaker.admit(Duration::ZERO).unwrap();
/// drop(permit);
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// ```
#[derive(Debug)]
#[must_use = "give it back with how the call went"]
pub struct Permit {
    pub(super) breaker: Breaker,
    pub(super) generation: u64,
    pub(super) round: u64,
    pub(super) is_reported: bool,
}

/// The call may not be made: the dependency is left alone. Becomes an
/// [unavailable](Kind::Unavailable) [`AppError`](crate::error::AppError) by `?`.
///
/// ```
/// # use highwater::error::{AppError, Breaker, BreakerOpen};
/// # use std::time::Duration;
/// let breaker = Breaker::new("stripe").failure_threshold(1);
/// let permit = breaker.admit(Duration::ZERO).unwrap();
/// breaker.failed(permit, Duration::ZERO);
/// let open: BreakerOpen = breaker.admit(Duration::ZERO).unwrap_err();
/// assert_eq!(open.to_string(), "stripe is left alone, as it failed");
/// assert_eq!(AppError::from(open).status(), 503);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{dependency} is left alone, as it failed")]
pub struct BreakerOpen {
    /// The dependency that the breaker guards.
    pub dependency: &'static str,
    /// Before this has passed no call is admitted; 0 if the outcome of the probes
    /// is waited for.
    pub retry_after: Duration,
}

impl Permit {
    /// Ends it with a report, unless it is another breaker's.
    pub(super) fn report_to(mut self, breaker: &Breaker) -> Option<u64> {
        self.is_reported = Arc::ptr_eq(&self.breaker.shared, &breaker.shared);
        self.is_reported.then_some(self.generation)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_reported {
            self.breaker.give_back(self.generation, self.round);
        }
    }
}

impl Classify for BreakerOpen {
    fn classify(&self) -> Classification {
        Classification::new(Kind::Unavailable)
            .with_retry_after(self.retry_after)
            .of_open_breaker(true)
    }
}
