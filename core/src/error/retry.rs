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
///
/// ```
/// # use highwater::error::{AppError, Failed, Retry};
/// # use std::time::Duration;
/// let error = AppError::timeout("reading the stock");
/// let failed = Failed { error: &error, is_idempotent: true, attempt: 1 };
/// assert!(Retry::new().decide(failed, Duration::ZERO, || 0).is_ok());
/// let failed = Failed { is_idempotent: false, ..failed };
/// assert!(Retry::new().decide(failed, Duration::ZERO, || 0).is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Failed<'a> {
    /// How.
    pub error: &'a AppError,
    /// Whether doing it twice is the same as doing it once.
    pub is_idempotent: bool,
    /// Which attempt it was, counted from 1; 0 counts as 1.
    pub attempt: u32,
}

/// Why something is not done again.
///
/// ```
/// # use highwater::error::{AppError, Failed, GiveUp, Retry};
/// # use std::time::Duration;
/// let error = AppError::timeout("charging the card");
/// let failed = Failed { error: &error, is_idempotent: false, attempt: 1 };
/// let why = Retry::new().decide(failed, Duration::ZERO, || 0).unwrap_err();
/// assert_eq!((why, why.to_string().as_str()), (GiveUp::NotIdempotent, "it is not idempotent"));
/// ```
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
    ///
    /// ```
    /// # use highwater::error::Retry;
    /// # use std::time::Duration;
    /// let usual = Retry::new().attempts(3).backoff(Duration::from_millis(100));
    /// assert_eq!(Retry::new(), usual.longest(Duration::from_secs(10)));
    /// ```
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
    ///
    /// ```
    /// # use highwater::error::{AppError, Failed, GiveUp, Retry};
    /// # use std::time::Duration;
    /// let error = AppError::timeout("reading the stock");
    /// let failed = Failed { error: &error, is_idempotent: true, attempt: 1 };
    /// let mut never = Retry::new().attempts(1);
    /// assert_eq!(never.decide(failed, Duration::ZERO, || 0), Err(GiveUp::Attempts));
    /// ```
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// The first wait is shorter than this, the second than twice as much, and so
    /// on.
    ///
    /// ```
    /// # use highwater::error::{AppError, Failed, Retry};
    /// # use std::time::Duration;
    /// let error = AppError::timeout("reading the stock");
    /// let mut retry = Retry::new().backoff(Duration::from_millis(8));
    /// let mut wait = |attempt| {
    ///     let failed = Failed { error: &error, is_idempotent: true, attempt };
    ///     retry.decide(failed, Duration::ZERO, || 1 << 63).unwrap().as_millis()
    /// };
    /// assert_eq!((wait(1), wait(2)), (4, 8), "half of 8 and half of 16");
    /// ```
    pub const fn backoff(mut self, first: Duration) -> Self {
        self.backoff = first;
        self
    }

    /// No wait is longer than this. An error that says to come back
    /// [later](AppError::retry_after) is not retried.
    ///
    /// ```
    /// # use highwater::error::{AppError, Failed, GiveUp, Retry};
    /// # use std::time::Duration;
    /// let error = AppError::unavailable("stripe").with_retry_after(Duration::from_secs(2));
    /// let failed = Failed { error: &error, is_idempotent: true, attempt: 1 };
    /// let mut impatient = Retry::new().longest(Duration::from_secs(1));
    /// assert_eq!(impatient.decide(failed, Duration::ZERO, || 0), Err(GiveUp::TooLate));
    /// ```
    pub const fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Another budget.
    ///
    /// ```
    /// # use highwater::error::{AppError, Failed, GiveUp, Retry, RetryBudget};
    /// # use std::time::Duration;
    /// let error = AppError::timeout("reading the stock");
    /// let failed = Failed { error: &error, is_idempotent: true, attempt: 1 };
    /// let mut retry = Retry::new().budget(RetryBudget::new().burst(1));
    /// assert!(retry.decide(failed, Duration::ZERO, || 0).is_ok());
    /// assert_eq!(retry.decide(failed, Duration::ZERO, || 0), Err(GiveUp::Budget));
    /// ```
    pub const fn budget(mut self, budget: RetryBudget) -> Self {
        self.budget = budget;
        self
    }

    /// To be told of each request, retries aside: a share of them is what there
    /// may be of retries.
    ///
    /// ```
    /// # use highwater::error::{AppError, Failed, Retry, RetryBudget};
    /// # use std::time::Duration;
    /// let error = AppError::timeout("reading the stock");
    /// let failed = Failed { error: &error, is_idempotent: true, attempt: 1 };
    /// let mut retry = Retry::new().budget(RetryBudget::new().percent(100).burst(1));
    /// retry.decide(failed, Duration::ZERO, || 0).unwrap();
    /// assert_eq!(retry.available(), 0);
    /// retry.request(Duration::ZERO);
    /// assert_eq!(retry.available(), 1);
    /// ```
    pub fn request(&mut self, now: Duration) {
        self.budget.deposit(now);
    }

    /// How long to wait before it is done again.
    ///
    /// `draw` is asked for a random number, once, if it comes to a retry. The
    /// wait is spread over all of the time from 0 to twice the last one's, as
    /// clients that failed together must not come back together. What the error
    /// [asks for](AppError::retry_after) is added to it; then it is spread over no
    /// more than what is left up to the [longest](Self::longest).
    ///
    /// ```
    /// # use highwater::error::{AppError, Failed, Retry};
    /// # use std::time::Duration;
    /// let error = AppError::unavailable("stripe").with_retry_after(Duration::from_secs(2));
    /// let failed = Failed { error: &error, is_idempotent: true, attempt: 1 };
    /// let wait = Retry::new().decide(failed, Duration::ZERO, || 1 << 63).unwrap();
    /// assert_eq!(wait, Duration::from_millis(2_050), "what it asks for, and half of 100 ms");
    /// ```
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
        if attempt.max(1) >= self.attempts {
            return Err(GiveUp::Attempts);
        }
        let earliest = error.retry_after().unwrap_or_default();
        let Some(left) = self.longest.checked_sub(earliest) else {
            return Err(GiveUp::TooLate);
        };
        // Last, as it is used up by asking.
        if !self.budget.withdraw(now) {
            return Err(GiveUp::Budget);
        }
        // Cut off at the longest instead, all that is beyond would come together.
        let window = self.window(attempt).min(left);
        Ok(earliest + part(window, draw()))
    }

    /// What is left of the budget.
    ///
    /// ```
    /// # use highwater::error::{Retry, RetryBudget};
    /// assert_eq!(Retry::new().budget(RetryBudget::new().burst(7)).available(), 7);
    /// ```
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
