//! Retries with backoff, jitter and a budget.

use super::{AppError, BreakerOpen, Classification, RetryBudget, causes::Links, correlation::mix};
use crate::{
    Clock,
    latency::nanos,
    sync::{Arc, AtomicU64, Mutex, Ordering, lock},
};
use std::{error::Error, fmt, time::Duration};

/// A policy for retries with exponential backoff and full jitter, limited by a number
/// of attempts and a [`RetryBudget`]. Clones share the budget, so use one policy for
/// all calls to a dependency.
///
/// Only [transient](AppError::is_transient) errors of idempotent operations are
/// retried. Nothing is retried once the [`Breaker`](super::Breaker) is open, since a
/// breaker is meant to make callers fail fast; see
/// [`wait_for_breaker`](Self::wait_for_breaker).
///
/// [`run`](Self::run) runs and retries an operation. [`decide`](Self::decide) only
/// decides whether and when to retry, for callers with their own loop. The policy has
/// neither a clock nor a timer.
///
/// ```
/// use highwater::error::{AppError, FailedAttempt, GiveUp, RetryPolicy};
/// use std::time::Duration;
///
/// let retry = RetryPolicy::new().attempts(3).backoff(Duration::from_millis(100));
/// let now = Duration::ZERO;
/// let half = || u64::MAX / 2; // a random number in real code
///
/// retry.record_request(now);
/// let error = AppError::timeout("reading the stock");
/// let failed = FailedAttempt { error: &error, is_idempotent: true, attempt: 1 };
/// assert_eq!(retry.decide(failed, now, half)?.as_millis(), 49);
/// let failed = FailedAttempt { attempt: 2, ..failed };
/// assert_eq!(retry.decide(failed, now, half)?.as_millis(), 99);
/// let failed = FailedAttempt { attempt: 3, ..failed };
/// assert_eq!(retry.decide(failed, now, half), Err(GiveUp::AttemptsExhausted));
///
/// let bug = AppError::bug("the stock is negative");
/// let failed = FailedAttempt { error: &bug, is_idempotent: true, attempt: 1 };
/// assert_eq!(retry.decide(failed, now, half), Err(GiveUp::NotTransient));
/// # Ok::<(), GiveUp>(())
/// ```
#[derive(Clone)]
#[must_use = "does nothing unless used"]
pub struct RetryPolicy {
    attempts: u32,
    backoff: Duration,
    max_wait: Duration,
    waits_for_breaker: bool,
    shared: Arc<SharedBudget>,
}

/// The state that clones share.
struct SharedBudget {
    budget: Mutex<RetryBudget>,
    /// The number of jitter values drawn so far.
    draw_count: AtomicU64,
}

/// A failed attempt.
///
/// ```
/// use highwater::error::{AppError, FailedAttempt, RetryPolicy};
/// use std::time::Duration;
///
/// let error = AppError::timeout("reading the stock");
/// let failed = FailedAttempt { error: &error, is_idempotent: true, attempt: 1 };
/// assert!(RetryPolicy::new().decide(failed, Duration::ZERO, || 0).is_ok());
/// let failed = FailedAttempt { is_idempotent: false, ..failed };
/// assert!(RetryPolicy::new().decide(failed, Duration::ZERO, || 0).is_err());
/// ```
#[derive(Clone, Copy, Debug)]
pub struct FailedAttempt<'a> {
    /// The error of the attempt.
    pub error: &'a AppError,
    /// True if repeating the operation has the same effect as running it once.
    pub is_idempotent: bool,
    /// The number of the attempt, from 1. 0 is treated as 1.
    pub attempt: u32,
}

/// The reason for not retrying.
///
/// ```
/// use highwater::error::{AppError, FailedAttempt, GiveUp, RetryPolicy};
/// use std::time::Duration;
///
/// let error = AppError::timeout("charging the card");
/// let failed = FailedAttempt { error: &error, is_idempotent: false, attempt: 1 };
/// let why = RetryPolicy::new().decide(failed, Duration::ZERO, || 0).unwrap_err();
/// assert_eq!((why, why.to_string().as_str()), (GiveUp::NotIdempotent, "the operation is not idempotent"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
#[non_exhaustive]
pub enum GiveUp {
    /// The error is not transient: it is a bug, a client error, or otherwise
    /// permanent.
    #[error("the error is not transient")]
    NotTransient,
    /// The operation may have taken effect although it failed, and must not be
    /// repeated.
    #[error("the operation is not idempotent")]
    NotIdempotent,
    /// The maximum number of attempts has been made.
    #[error("no attempts left")]
    AttemptsExhausted,
    /// The error requests a longer wait than the policy allows.
    #[error("the requested wait is too long")]
    WaitTooLong,
    /// The breaker of a dependency is open: it rejected the call, or the failed
    /// [call](super::Breaker::call) opened it. The policy does not
    /// [wait](RetryPolicy::wait_for_breaker) for it.
    #[error("the breaker is open")]
    BreakerOpen,
    /// The retry budget is exhausted.
    #[error("the retry budget is exhausted")]
    BudgetExhausted,
}

impl RetryPolicy {
    /// Creates a policy with three attempts, waits from 100 ms to 10 s, and the
    /// default budget.
    ///
    /// ```
    /// use highwater::error::RetryPolicy;
    ///
    /// assert_eq!(RetryPolicy::new().available(), 100);
    /// ```
    pub fn new() -> Self {
        RetryPolicy {
            attempts: 3,
            backoff: Duration::from_millis(100),
            max_wait: Duration::from_secs(10),
            waits_for_breaker: false,
            shared: SharedBudget::with(RetryBudget::new()),
        }
    }

    /// Sets the maximum number of attempts, including the first one. With 0 or 1,
    /// nothing is retried.
    ///
    /// ```
    /// use highwater::error::{AppError, FailedAttempt, GiveUp, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let error = AppError::timeout("reading the stock");
    /// let failed = FailedAttempt { error: &error, is_idempotent: true, attempt: 1 };
    /// let never = RetryPolicy::new().attempts(1);
    /// assert_eq!(never.decide(failed, Duration::ZERO, || 0), Err(GiveUp::AttemptsExhausted));
    /// ```
    pub const fn attempts(mut self, attempts: u32) -> Self {
        self.attempts = attempts;
        self
    }

    /// Sets the upper bound of the first wait. It doubles for each further wait.
    ///
    /// ```
    /// use highwater::error::{AppError, FailedAttempt, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let error = AppError::timeout("reading the stock");
    /// let retry = RetryPolicy::new().backoff(Duration::from_millis(8));
    /// let mut wait = |attempt| {
    ///     let failed = FailedAttempt { error: &error, is_idempotent: true, attempt };
    ///     retry.decide(failed, Duration::ZERO, || 1 << 63).unwrap().as_millis()
    /// };
    /// assert_eq!((wait(1), wait(2)), (4, 8), "half of 8 and half of 16");
    /// ```
    pub const fn backoff(mut self, first: Duration) -> Self {
        self.backoff = first;
        self
    }

    /// Sets the longest wait. An error that requests a
    /// [longer](AppError::retry_after) one is not retried.
    ///
    /// ```
    /// use highwater::error::{AppError, FailedAttempt, GiveUp, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let error = AppError::unavailable("stripe").with_retry_after(Duration::from_secs(2));
    /// let failed = FailedAttempt { error: &error, is_idempotent: true, attempt: 1 };
    /// let impatient = RetryPolicy::new().max_wait(Duration::from_secs(1));
    /// assert_eq!(impatient.decide(failed, Duration::ZERO, || 0), Err(GiveUp::WaitTooLong));
    /// ```
    pub const fn max_wait(mut self, max_wait: Duration) -> Self {
        self.max_wait = max_wait;
        self
    }

    /// Sets the budget.
    ///
    /// ```
    /// use highwater::error::{AppError, FailedAttempt, GiveUp, RetryPolicy, RetryBudget};
    /// use std::time::Duration;
    ///
    /// let error = AppError::timeout("reading the stock");
    /// let failed = FailedAttempt { error: &error, is_idempotent: true, attempt: 1 };
    /// let retry = RetryPolicy::new().budget(RetryBudget::new().burst(1));
    /// assert!(retry.decide(failed, Duration::ZERO, || 0).is_ok());
    /// assert_eq!(retry.decide(failed, Duration::ZERO, || 0), Err(GiveUp::BudgetExhausted));
    /// ```
    pub fn budget(mut self, budget: RetryBudget) -> Self {
        self.shared = SharedBudget::with(budget);
        self
    }

    /// Waits for an open breaker, as for any other error with a `retry_after`. By
    /// default, an open breaker ends the retries.
    ///
    /// The policy never waits for a breaker that stays open for longer than the
    /// [maximum](Self::max_wait) wait.
    ///
    /// ```
    /// use highwater::error::{AppError, BreakerOpen, FailedAttempt, GiveUp, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let retry_after = Duration::from_secs(2);
    /// let error: AppError = BreakerOpen { dependency: "stripe", retry_after }.into();
    /// let failed = FailedAttempt { error: &error, is_idempotent: true, attempt: 1 };
    /// let retry = RetryPolicy::new();
    /// assert_eq!(retry.decide(failed, Duration::ZERO, || 0), Err(GiveUp::BreakerOpen));
    /// let patient = retry.wait_for_breaker();
    /// assert_eq!(patient.decide(failed, Duration::ZERO, || 0), Ok(retry_after));
    /// ```
    pub const fn wait_for_breaker(mut self) -> Self {
        self.waits_for_breaker = true;
        self
    }

    /// Runs an operation and retries it after each retryable failure.
    ///
    /// The operation has to be idempotent, because a failed attempt may have taken
    /// effect. `sleep` is the runtime's sleep function, such as `tokio::time::sleep`;
    /// `clock` refills the budget. Both can be simulated. The jitter depends on the
    /// clock, so simulated runs are reproducible. Dropping the future stops the
    /// current attempt or wait. The future is `Send` if those of the operation and of
    /// `sleep` are. It holds no lock across an await.
    ///
    /// The errors of retried attempts are dropped. To see them, log them inside the
    /// operation.
    ///
    /// A breaker inside the operation sees each attempt. Once it is open, the run ends,
    /// with the error of the last attempt that reached the dependency. A breaker around
    /// the run sees a single call.
    ///
    /// ```
    /// use highwater::error::{AppError, Breaker, RetryPolicy};
    /// use std::{sync::atomic::{AtomicU32, Ordering}, time::{Duration, Instant}};
    ///
    /// # async fn sleep(_: Duration) {}
    /// let start = Instant::now();
    /// let clock = || start.elapsed();
    /// let retry = RetryPolicy::new();
    /// let breaker = Breaker::new("stock");
    ///
    /// let calls = AtomicU32::new(0);
    /// let read_stock = || async {
    ///     match calls.fetch_add(1, Ordering::Relaxed) {
    ///         0 => Err(AppError::timeout("reading the stock")),
    ///         _ => Ok(7),
    ///     }
    /// };
    /// let run = retry.run(&clock, sleep, || breaker.call(&clock, read_stock));
    /// assert_eq!(futures::executor::block_on(run)?, 7);
    /// assert_eq!(calls.load(Ordering::Relaxed), 2);
    /// # Ok::<(), AppError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the error of the last attempt that no breaker rejected, or
    /// [`BreakerOpen`](super::BreakerOpen) if all were rejected. If it was transient,
    /// its context contains the reason for not retrying, `retries_ended`, and the number
    /// of `attempts`, including rejected ones. If a breaker rejected a later attempt, the
    /// error has its `retry_after`, and the rejection as context, `rejected`.
    pub async fn run<T, F, S>(
        &self,
        clock: &(impl Clock + ?Sized),
        sleep: impl Fn(Duration) -> S,
        mut operation: impl FnMut() -> F,
    ) -> Result<T, AppError>
    where
        F: Future<Output = Result<T, AppError>>,
        S: Future,
    {
        self.record_request(clock.now());
        let mut attempt = 1;
        let mut cause: Option<AppError> = None;
        loop {
            let error = match operation().await {
                Ok(value) => return Ok(value),
                Err(error) => error,
            };
            let failed_attempt = FailedAttempt {
                error: &error,
                is_idempotent: true,
                attempt,
            };
            let now = clock.now();
            match self.decide(failed_attempt, now, || self.draw(now)) {
                Ok(wait) => drop(sleep(wait).await),
                Err(GiveUp::NotTransient) => return Err(error),
                Err(reason) => {
                    let error = match (cause, rejection(&error)) {
                        // Its callers must not retry either, and wait for the breaker.
                        (Some(cause), Some(rejection)) => cause
                            .with_open_breaker()
                            .with_retry_after(rejection.retry_after)
                            .with_context("rejected", rejection),
                        _ => error,
                    };
                    let error = error.with_context("retries_ended", reason);
                    return Err(error.with_context("attempts", attempt));
                }
            }
            if rejection(&error).is_none() {
                cause = Some(error);
            }
            attempt = attempt.saturating_add(1);
        }
    }

    /// Records a request that is not a retry. The budget is a share of the requests.
    ///
    /// ```
    /// use highwater::error::{AppError, FailedAttempt, RetryPolicy, RetryBudget};
    /// use std::time::Duration;
    ///
    /// let error = AppError::timeout("reading the stock");
    /// let failed = FailedAttempt { error: &error, is_idempotent: true, attempt: 1 };
    /// let retry = RetryPolicy::new().budget(RetryBudget::new().percent(100).burst(1));
    /// retry.decide(failed, Duration::ZERO, || 0).unwrap();
    /// assert_eq!(retry.available(), 0);
    /// retry.record_request(Duration::ZERO);
    /// assert_eq!(retry.available(), 1);
    /// ```
    pub fn record_request(&self, now: Duration) {
        lock(&self.shared.budget).deposit(now);
    }

    /// Decides whether to retry, and returns how long to wait before the next
    /// attempt.
    ///
    /// `draw` is called once for a random number if the attempt is retried. The wait
    /// is uniformly distributed from 0 to a bound that doubles with each attempt, so
    /// that clients that failed together do not retry together. The error's
    /// [`retry_after`](AppError::retry_after) is added to it, and the bound is
    /// reduced so that the sum stays within the [maximum](Self::max_wait) wait.
    ///
    /// ```
    /// use highwater::error::{AppError, FailedAttempt, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let error = AppError::unavailable("stripe").with_retry_after(Duration::from_secs(2));
    /// let failed = FailedAttempt { error: &error, is_idempotent: true, attempt: 1 };
    /// let wait = RetryPolicy::new().decide(failed, Duration::ZERO, || 1 << 63).unwrap();
    /// assert_eq!(wait, Duration::from_millis(2_050), "2 s as requested, plus half of 100 ms");
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`GiveUp`], with the reason, if the attempt is not retried.
    pub fn decide(
        &self,
        failed_attempt: FailedAttempt<'_>,
        now: Duration,
        draw: impl FnOnce() -> u64,
    ) -> Result<Duration, GiveUp> {
        let FailedAttempt { error, attempt, .. } = failed_attempt;
        if !error.is_transient() {
            return Err(GiveUp::NotTransient);
        }
        if !failed_attempt.is_idempotent {
            return Err(GiveUp::NotIdempotent);
        }
        if attempt.max(1) >= self.attempts {
            return Err(GiveUp::AttemptsExhausted);
        }
        if !self.waits_for_breaker && has_open_breaker(error) {
            return Err(GiveUp::BreakerOpen);
        }
        let min_wait = error.retry_after().unwrap_or_default();
        let Some(max_jitter) = self.max_wait.checked_sub(min_wait) else {
            return Err(GiveUp::WaitTooLong);
        };
        // This check is last because it consumes a token.
        if !lock(&self.shared.budget).withdraw(now) {
            return Err(GiveUp::BudgetExhausted);
        }
        // Clamping the sum instead would make many clients retry simultaneously.
        let window = self.window(attempt).min(max_jitter);
        Ok(min_wait + scale_to_window(window, draw()))
    }

    /// Returns the number of retries left in the budget.
    ///
    /// ```
    /// use highwater::error::{RetryPolicy, RetryBudget};
    ///
    /// assert_eq!(RetryPolicy::new().budget(RetryBudget::new().burst(7)).available(), 7);
    /// ```
    pub fn available(&self) -> u64 {
        lock(&self.shared.budget).available()
    }

    /// Draws a jitter value. It is reproducible with a simulated clock, and differs
    /// between processes with a real one.
    fn draw(&self, now: Duration) -> u64 {
        let count = self.shared.draw_count.fetch_add(1, Ordering::Relaxed);
        let nanos = now.as_secs().rotate_left(32) ^ u64::from(now.subsec_nanos());
        mix(mix(nanos) ^ count)
    }

    fn window(&self, attempt: u32) -> Duration {
        let doublings = attempt.saturating_sub(1);
        let factor = 1_u32.checked_shl(doublings).unwrap_or(u32::MAX);
        self.backoff.saturating_mul(factor).min(self.max_wait)
    }
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self::new()
    }
}

impl SharedBudget {
    fn with(budget: RetryBudget) -> Arc<Self> {
        Arc::new(SharedBudget {
            budget: Mutex::new(budget),
            draw_count: AtomicU64::new(0),
        })
    }
}

impl fmt::Debug for RetryPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryPolicy")
            .field("attempts", &self.attempts)
            .field("backoff", &self.backoff)
            .field("max_wait", &self.max_wait)
            .field("waits_for_breaker", &self.waits_for_breaker)
            .field("budget", &*lock(&self.shared.budget))
            .finish()
    }
}

/// Returns whether a breaker is open according to the error or its causes.
fn has_open_breaker(error: &AppError) -> bool {
    error.classification().has_open_breaker()
        || Links::of(error).any(|link| {
            let known = Classification::of(link);
            known.is_some_and(|known| known.has_open_breaker())
        })
}

/// Returns the rejection by a breaker, if the call did not reach the dependency.
fn rejection(error: &AppError) -> Option<&BreakerOpen> {
    Links::of(error).find_map(<dyn Error>::downcast_ref)
}

/// Scales a random number to the window.
fn scale_to_window(window: Duration, draw: u64) -> Duration {
    let scaled = (u128::from(nanos(window)) * u128::from(draw)) >> u64::BITS;
    Duration::from_nanos(u64::try_from(scaled).expect("less than the window"))
}
