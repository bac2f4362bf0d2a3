//! A budget for retries.

use crate::latency::nanos;
use std::time::Duration;

/// A token bucket that limits retries to a share of the requests plus a few per
/// second.
///
/// When a dependency is down, every request fails. With three attempts each, it would
/// get three times its load just when it tries to recover. With a budget of 20 % it
/// gets 1.2 times its load, regardless of the number of attempts allowed.
///
/// Each [request](Self::deposit) adds a fraction of a token, passing time adds the
/// minimum rate, and each retry [takes](Self::withdraw) one token. The capacity
/// limits the retry burst that can follow a quiet period.
///
/// The budget has no clock: `now` is the time since an arbitrary fixed start. If
/// `now` goes backwards, the latest known time is used.
///
/// ```
/// use highwater::error::RetryBudget;
/// use std::time::Duration;
///
/// let mut budget = RetryBudget::new().percent(20).per_second(0).burst(1);
/// let now = Duration::ZERO;
/// assert!(budget.withdraw(now), "it starts full");
/// assert!(!budget.withdraw(now));
/// for _request in 0..5 {
///     budget.deposit(now);
/// }
/// assert!(budget.withdraw(now), "five requests pay for a retry");
/// assert!(!budget.withdraw(now));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "does nothing unless used"]
#[doc(alias = "TokenBucket")]
pub struct RetryBudget {
    percent: u32,
    per_second: u32,
    burst: u32,
    /// In billionths of a token, so that all arithmetic is on integers.
    tokens: u64,
    refilled_at: Duration,
}

const TOKEN: u64 = 1_000_000_000;

impl RetryBudget {
    /// Creates a full budget: 20 % of the requests plus 10 retries per second, with a
    /// capacity of 100.
    ///
    /// ```
    /// use highwater::error::RetryBudget;
    ///
    /// assert_eq!(RetryBudget::new().available(), 100);
    /// assert_eq!(RetryBudget::new(), RetryBudget::new().percent(20).per_second(10).burst(100));
    /// ```
    pub const fn new() -> Self {
        RetryBudget {
            percent: 20,
            per_second: 10,
            burst: 100,
            tokens: 100 * TOKEN,
            refilled_at: Duration::ZERO,
        }
    }

    /// Sets the number of retries per hundred requests.
    ///
    /// ```
    /// use highwater::error::RetryBudget;
    /// use std::time::Duration;
    ///
    /// let mut budget = RetryBudget::new().percent(50).burst(1);
    /// assert!(budget.withdraw(Duration::ZERO));
    /// budget.deposit(Duration::ZERO);
    /// assert_eq!(budget.available(), 0);
    /// budget.deposit(Duration::ZERO);
    /// assert_eq!(budget.available(), 1, "two requests pay for a retry");
    /// ```
    pub const fn percent(mut self, percent: u32) -> Self {
        self.percent = percent;
        self
    }

    /// Sets the number of retries per second in addition to the share of requests.
    ///
    /// ```
    /// use highwater::error::RetryBudget;
    /// use std::time::Duration;
    ///
    /// let mut budget = RetryBudget::new().per_second(2).burst(1);
    /// assert!(budget.withdraw(Duration::ZERO));
    /// assert!(!budget.withdraw(Duration::from_millis(499)));
    /// assert!(budget.withdraw(Duration::from_millis(500)));
    /// ```
    pub const fn per_second(mut self, retries: u32) -> Self {
        self.per_second = retries;
        self
    }

    /// Sets the capacity, and fills the bucket.
    ///
    /// ```
    /// use highwater::error::RetryBudget;
    /// use std::time::Duration;
    ///
    /// let mut budget = RetryBudget::new().burst(2);
    /// assert!(budget.withdraw(Duration::ZERO) && budget.withdraw(Duration::ZERO));
    /// assert!(!budget.withdraw(Duration::ZERO));
    /// ```
    pub const fn burst(mut self, retries: u32) -> Self {
        self.burst = retries;
        self.tokens = self.max_tokens();
        self
    }

    /// Records a request that is not a retry.
    ///
    /// ```
    /// use highwater::error::RetryBudget;
    /// use std::time::Duration;
    ///
    /// let mut budget = RetryBudget::new().percent(100).burst(1);
    /// assert!(budget.withdraw(Duration::ZERO));
    /// budget.deposit(Duration::ZERO);
    /// assert_eq!(budget.available(), 1);
    /// ```
    pub fn deposit(&mut self, now: Duration) {
        self.refill(now);
        self.add(u64::from(self.percent) * (TOKEN / 100));
    }

    /// Takes a token for a retry. Returns false if there is none.
    ///
    /// ```
    /// use highwater::error::RetryBudget;
    /// use std::time::Duration;
    ///
    /// let mut budget = RetryBudget::new().burst(1);
    /// assert!(budget.withdraw(Duration::ZERO));
    /// assert!(!budget.withdraw(Duration::ZERO), "the bucket is empty");
    /// ```
    pub fn withdraw(&mut self, now: Duration) -> bool {
        self.refill(now);
        let remaining = self.tokens.checked_sub(TOKEN);
        self.tokens = remaining.unwrap_or(self.tokens);
        remaining.is_some()
    }

    /// Returns the number of retries available as of the latest `now`.
    ///
    /// ```
    /// use highwater::error::RetryBudget;
    /// use std::time::Duration;
    ///
    /// let mut budget = RetryBudget::new().burst(3);
    /// budget.withdraw(Duration::ZERO);
    /// assert_eq!(budget.available(), 2);
    /// ```
    pub fn available(&self) -> u64 {
        self.tokens / TOKEN
    }

    fn refill(&mut self, now: Duration) {
        let elapsed = nanos(now.saturating_sub(self.refilled_at));
        self.refilled_at = self.refilled_at.max(now);
        self.add(elapsed.saturating_mul(u64::from(self.per_second)));
    }

    fn add(&mut self, amount: u64) {
        self.tokens = self.tokens.saturating_add(amount).min(self.max_tokens());
    }

    const fn max_tokens(&self) -> u64 {
        self.burst as u64 * TOKEN
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        Self::new()
    }
}
