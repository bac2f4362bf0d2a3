//! Whether to do it again, and when.

use super::{AppError, RetryBudget};
use std::time::Duration;

/// Decides about retries: exponential backoff with full jitter, a number of
/// attempts, and a [`RetryBudget`].
///
/// Only what is worth it is retried: an operational error that is
/// [transient](AppError::is_transient), of what is idempotent. It is a pure state
/// machine: it has neither clock nor timer nor random numbers, and whoever asks
/// waits.
///
/// ```
/// use highwater::error::{AppError, Failed, GiveUp, Retry};
/// use std::time::Duration;
///
/// let mut retry = Retry::new().attempts(3).backoff(Duration::from_millis(100));
/// let now = Duration::ZERO;
/// let half = || u64::MAX / 2; // a random number; here the one in the middle
///
/// retry.request(now);
/// let error = AppError::timeout("reading the stock");
/// let failed = Failed { error: &error, is_idempotent: true, attempt: 1 };
/// assert_eq!(retry.decide(failed, now, half)?.as_millis(), 49);
/// let failed = Failed { attempt: 2, ..failed };
/// assert_eq!(retry.decide(failed, now, half)?.as_millis(), 99);
/// let failed = Failed { attempt: 3, ..failed };
/// assert_eq!(retry.decide(failed, now, half), Err(GiveUp::Attempts));
///
/// let bug = AppError::bug("the stock is negative");
/// let failed = Failed { error: &bug, is_idempotent: true, attempt: 1 };
/// assert_eq!(retry.decide(failed, now, half), Err(GiveUp::NotTransient));
/// # Ok::<(), GiveUp>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it does nothing by itself"]
pub struct Retry {
    attempts: u32,
    backoff: Duration,
    longest: Duration,
    budget: RetryBudget,
}

/// An attempt that went wrong.
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// How.
    pub error: &'a AppError,
    /// Whether doing it twice is the same as doing it once.
    pub is_idempotent: bool,
    /// The how manieth attempt it was, from 1.
    pub attempt: u32,
}

/// Why something is not done again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GiveUp {
    /// Doing it again would not help: it is a bug, or the client's fault, or
    /// otherwise here to stay.
    #[error("a retry would not help")]
    NotTransient,
    /// It may have been done although it failed, and had better not be done
    /// twice.
    #[error("it is not idempotent")]
    NotIdempotent,
    /// It was attempted as often as allowed.
    #[error("it was attempted as often as allowed")]
    Attempts,
    /// The error says to come back later than is waited for.
    #[error("it is to be retried later than is waited for")]
    TooLate,
    /// There are too many retries already.
    #[error("the retry budget is used up")]
    Budget,
}

impl Retry {
    /// Three attempts, from 100 ms up to 10 s apart, within the usual budget.
    pub const fn new() -> Self {
        Retry {
            attempts: 3,
            backoff: Duration::from_millis(100),
            longest: Duration::from_secs(10),
            budget: RetryBudget::new(),
        }
    }

    /// How often it is attempted at most, the first time included. With 0 or 1
    /// it is never retried.
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The first wait is shorter than this, the second than twice as much, and so
    /// on.
    pub const fn backoff(mut self, first: Duration) -> Self {
        self.backoff = first;
        self
    }

    /// No wait is longer than this. An error that says to come back
    /// [later](AppError::retry_after) is not retried.
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Another budget.
    pub const fn budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// To be told of each request, retries aside: a share of them is what there
    /// may be of retries.
    pub fn request(&mut self, now: Duration) {
        self.budget.deposit(now);
    }

    /// How long to wait before it is done again.
    ///
    /// `draw` is asked for a random number, once, if it comes to a retry. The
    /// wait is spread over all of the time from 0 to twice the last one's, as
    /// clients that failed together must not come back together. It is at least
    /// what the error [asks for](AppError::retry_after).
    ///
    /// # Errors
    ///
    /// [`GiveUp`], with the reason, if it is not to be done again.
    pub fn decide(
        &mut self,
        failed: Failed<'_>,
        now: Duration,
        draw: impl FnOnce() -> u64,
    ) -> Result<Duration, GiveUp> {
        let Failed { error, attempt, .. } = failed;
        if !error.is_transient() {
            return Err(GiveUp::NotTransient);
        }
        if !failed.is_idempotent {
            return Err(GiveUp::NotIdempotent);
        }
        if attempt >= self.attempts {
            return Err(GiveUp::Attempts);
        }
        let earliest = error.retry_after().unwrap_or_default();
        if earliest > self.longest {
            return Err(GiveUp::TooLate);
        }
        // Last, as it is used up by asking.
        if !self.budget.withdraw(now) {
            return Err(GiveUp::Budget);
        }
        let wait = part(self.window(attempt), draw());
        Ok(wait.saturating_add(earliest).min(self.longest))
    }

    /// What is left of the budget.
    pub fn available(&self) -> u64 {
        self.budget.available()
    }

    fn window(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(factor).min(self.longest)
    }
}

impl Default for Retry {
    fn default() -> Self {
        Self::new()
    }
}

/// Of a window, the part that a random number is of all numbers.
fn part(window: Duration, draw: u64) -> Duration {
    let nanos = u64::try_from(window.as_nanos()).unwrap_or(u64::MAX);
    let part = (u128::from(nanos) * u128::from(draw)) >> u64::BITS;
    Duration::from_nanos(u64::try_from(part).expect("less than the window"))
}
