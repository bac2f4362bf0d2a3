//! A circuit breaker.

use super::{AppError, Classification, Classify, ErrorKind};
use crate::{
    Clock,
    sync::{Arc, Mutex, lock},
};
use std::{fmt, panic::Location, time::Duration};

/// A circuit breaker: after several consecutive failures it rejects calls for a
/// while, then admits a few trial calls. Clones share the state, but not the options:
/// an option set on a clone applies to the calls of that clone only.
///
/// - **Closed**: it admits every call. It opens after
///   [`failure_threshold`](Self::failure_threshold) consecutive failures.
/// - **Open**: it rejects every call, so that callers fail immediately instead of
///   piling up behind a dependency that is down.
/// - **Half-open**, after [`open_duration`](Self::open_duration): it admits up to
///   [`half_open_max_calls`](Self::half_open_max_calls) calls at a time. It closes
///   once that many have succeeded, and opens at the first failure. A call that is
///   cancelled or panics releases its permit immediately. If the outcome of a call is
///   not recorded within `open_duration`, another call is admitted in its place. The
///   late outcome still counts.
///
/// The outcome of a call that was admitted before the last state change is ignored.
/// [`call`](Self::call) runs a whole call; [`admit`](Self::admit) and
/// [`record`](Self::record) do the same in two steps. The breaker has no clock: `now`
/// is the time since an arbitrary fixed start. If `now` goes backwards, the latest
/// known time is used.
///
/// ```
/// use highwater::error::{AppError, Breaker, BreakerState};
/// use std::time::Duration;
///
/// let breaker = Breaker::new("stripe").failure_threshold(2).open_duration(Duration::from_secs(5));
/// let second = Duration::from_secs;
/// for _call in 0..2 {
///     let permit = breaker.admit(second(0))?;
///     breaker.record_failure(permit, second(0));
/// }
/// assert_eq!(breaker.state(), BreakerState::Open);
///
/// let rejected: AppError = breaker.admit(second(1)).unwrap_err().into();
/// assert_eq!((rejected.status(), rejected.retry_after()), (503, Some(second(4))));
///
/// let trial = breaker.admit(second(5))?;
/// assert!(breaker.admit(second(5)).is_err(), "one trial call at a time");
/// breaker.record_success(trial, second(6));
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// # Ok::<(), AppError>(())
/// ```
#[derive(Clone)]
#[must_use = "does nothing unless used"]
#[doc(alias = "CircuitBreaker")]
pub struct Breaker {
    dependency: &'static str,
    limits: BreakerLimits,
    shared: Arc<Mutex<Circuit>>,
}

#[derive(Clone, Copy, Debug)]
struct BreakerLimits {
    failure_threshold: u32,
    open_duration: Duration,
    half_open_max_calls: u32,
}

/// The state that clones share.
struct Circuit {
    phase: CircuitPhase,
    /// The number of state changes.
    generation: u64,
    /// The number of times that overdue half-open calls were replaced.
    round: u64,
    now: Duration,
}

#[derive(Clone, Copy, Debug)]
enum CircuitPhase {
    Closed {
        /// The number of consecutive failures.
        failure_count: u32,
    },
    Open {
        until: Duration,
    },
    HalfOpen {
        admitted_count: u32,
        success_count: u32,
        /// The time at which calls without an outcome are replaced.
        until: Duration,
    },
}

/// The state of a [`Breaker`].
///
/// ```
/// use highwater::error::{Breaker, BreakerState};
/// use std::time::Duration;
///
/// let breaker = Breaker::new("stripe").failure_threshold(1).open_duration(Duration::from_secs(1));
/// let permit = breaker.admit(Duration::ZERO).unwrap();
/// breaker.record_failure(permit, Duration::ZERO);
/// assert_eq!(breaker.state(), BreakerState::Open);
/// let _trial = breaker.admit(Duration::from_secs(1)).unwrap();
/// assert_eq!(breaker.state(), BreakerState::HalfOpen);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum BreakerState {
    /// All calls are admitted.
    Closed,
    /// All calls are rejected.
    Open,
    /// A few trial calls are admitted.
    HalfOpen,
}

/// Writes `closed`, `open` or `half-open`.
impl fmt::Display for BreakerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            BreakerState::Closed => "closed",
            BreakerState::Open => "open",
            BreakerState::HalfOpen => "half-open",
        })
    }
}

impl Breaker {
    /// Creates a closed breaker for a dependency. By default it opens after 5
    /// consecutive failures, stays open for 5 seconds, and then admits one trial
    /// call.
    ///
    /// ```
    /// use highwater::error::{Breaker, BreakerState};
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe");
    /// for _call in 0..5 {
    ///     assert_eq!(breaker.state(), BreakerState::Closed);
    ///     let permit = breaker.admit(Duration::ZERO).unwrap();
    ///     breaker.record_failure(permit, Duration::ZERO);
    /// }
    /// assert_eq!(breaker.state(), BreakerState::Open);
    /// ```
    pub fn new(dependency: &'static str) -> Self {
        let circuit = Circuit {
            phase: CircuitPhase::Closed { failure_count: 0 },
            generation: 0,
            round: 0,
            now: Duration::ZERO,
        };
        Breaker {
            dependency,
            limits: BreakerLimits {
                failure_threshold: 5,
                open_duration: Duration::from_secs(5),
                half_open_max_calls: 1,
            },
            shared: Arc::new(Mutex::new(circuit)),
        }
    }

    /// Sets the number of consecutive failures that open the breaker. 0 is treated as
    /// 1.
    ///
    /// ```
    /// use highwater::error::Breaker;
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(1);
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.record_failure(permit, Duration::ZERO);
    /// assert!(breaker.admit(Duration::ZERO).is_err());
    /// ```
    pub fn failure_threshold(mut self, failures: u32) -> Self {
        self.limits.failure_threshold = failures.max(1);
        self
    }

    /// Sets how long the breaker stays open, and how long it waits for the outcome of
    /// half-open calls. Zero is treated as one nanosecond.
    ///
    /// ```
    /// use highwater::error::Breaker;
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(1).open_duration(Duration::from_secs(2));
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.record_failure(permit, Duration::ZERO);
    /// assert!(breaker.admit(Duration::from_secs(1)).is_err());
    /// assert!(breaker.admit(Duration::from_secs(2)).is_ok());
    /// ```
    pub fn open_duration(mut self, duration: Duration) -> Self {
        self.limits.open_duration = duration.max(Duration::from_nanos(1));
        self
    }

    /// Sets the number of half-open calls, all of which have to succeed. 0 is treated
    /// as 1.
    ///
    /// ```
    /// use highwater::error::Breaker;
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(1).half_open_max_calls(2);
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.record_failure(permit, Duration::ZERO);
    /// let later = Duration::from_secs(5);
    /// let trials = [breaker.admit(later).unwrap(), breaker.admit(later).unwrap()];
    /// assert!(breaker.admit(later).is_err());
    /// # drop(trials);
    /// ```
    pub fn half_open_max_calls(mut self, calls: u32) -> Self {
        self.limits.half_open_max_calls = calls.max(1);
        self
    }

    /// Makes a call if the breaker admits it, and records its outcome.
    ///
    /// If the breaker is open, the operation is not started. If it is open after
    /// the call failed, a [`RetryPolicy`](super::RetryPolicy) does not retry. If the future is dropped
    /// or the operation panics, the call is not counted and its permit is released.
    /// See [`record`](Self::record) for what counts as a failure. No lock is held
    /// while the operation runs. The future is `Send` if that of the operation is.
    ///
    /// The operation returns an [`AppError`]. Classify other errors, for example with
    /// [`classified(ErrorKind::Unavailable)`](super::ResultExt::classified).
    ///
    /// ```
    /// use highwater::error::{AppError, Breaker, BreakerOpen};
    /// use std::{sync::LazyLock, time::{Duration, Instant}};
    ///
    /// static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    /// static STOCK: LazyLock<Breaker> =
    ///     LazyLock::new(|| Breaker::new("stock").failure_threshold(1));
    ///
    /// async fn read_stock() -> Result<u32, AppError> {
    ///     STOCK.call(&|| START.elapsed(), || async {
    ///         Err(AppError::unavailable("the stock service"))
    ///     }).await
    /// }
    ///
    /// # futures::executor::block_on(async {
    /// assert!(read_stock().await.is_err());
    /// let rejected = read_stock().await.unwrap_err();
    /// assert!(rejected.chain().any(|cause| cause.is::<BreakerOpen>()));
    /// # });
    /// ```
    ///
    /// # Errors
    ///
    /// Returns the operation's error, or [`BreakerOpen`] as an
    /// [unavailable](ErrorKind::Unavailable) error, with the location of the caller, if
    /// the call was rejected.
    #[track_caller]
    pub fn call<T, F>(
        &self,
        clock: &(impl Clock + ?Sized),
        operation: impl FnOnce() -> F,
    ) -> impl Future<Output = Result<T, AppError>>
    where
        F: Future<Output = Result<T, AppError>>,
    {
        let caller = Location::caller();
        async move {
            let permit = match self.admit(clock.now()) {
                Ok(permit) => permit,
                Err(open) => return Err(AppError::from(open).with_location(caller)),
            };
            let result = operation().await;
            self.record(permit, &result, clock.now());
            result.map_err(|error| match self.state() {
                BreakerState::Open => error.with_open_breaker(),
                BreakerState::Closed | BreakerState::HalfOpen => error,
            })
        }
    }

    /// Requests permission for a call.
    ///
    /// ```
    /// use highwater::error::Breaker;
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(1);
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.record_failure(permit, Duration::ZERO);
    /// let rejected = breaker.admit(Duration::from_secs(1)).unwrap_err();
    /// assert_eq!(rejected.retry_after, Duration::from_secs(4));
    /// ```
    ///
    /// # Errors
    ///
    /// Returns [`BreakerOpen`] if the call is rejected.
    pub fn admit(&self, now: Duration) -> Result<Permit, BreakerOpen> {
        let admission = lock(&self.shared).admit(&self.limits, now);
        let (generation, round) = admission.map_err(|retry_after| BreakerOpen {
            dependency: self.dependency,
            retry_after,
        })?;
        Ok(Permit {
            breaker: self.clone(),
            generation,
            round,
            is_reported: false,
        })
    }

    /// Records a success. A response such as "not found" counts as a success, because
    /// the dependency works.
    ///
    /// ```
    /// use highwater::error::{Breaker, BreakerState};
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(2);
    /// for is_success in [false, true, false] {
    ///     let permit = breaker.admit(Duration::ZERO).unwrap();
    ///     match is_success {
    ///         true => breaker.record_success(permit, Duration::ZERO),
    ///         false => breaker.record_failure(permit, Duration::ZERO),
    ///     }
    /// }
    /// assert_eq!(breaker.state(), BreakerState::Closed, "not two in a row");
    /// ```
    pub fn record_success(&self, permit: Permit, now: Duration) {
        if let Some(generation) = permit.into_generation(self) {
            lock(&self.shared).record_success(&self.limits, generation, now);
        }
    }

    /// Records a failure of the dependency.
    ///
    /// ```
    /// use highwater::error::{Breaker, BreakerState};
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(2);
    /// for state in [BreakerState::Closed, BreakerState::Open] {
    ///     let permit = breaker.admit(Duration::ZERO).unwrap();
    ///     breaker.record_failure(permit, Duration::ZERO);
    ///     assert_eq!(breaker.state(), state);
    /// }
    /// ```
    pub fn record_failure(&self, permit: Permit, now: Duration) {
        if let Some(generation) = permit.into_generation(self) {
            lock(&self.shared).record_failure(&self.limits, generation, now);
        }
    }

    /// Records the outcome of a call by the [kind](AppError::kind) of its error:
    ///
    /// - [Unavailable](ErrorKind::Unavailable), [timeout](ErrorKind::Timeout) and
    ///   [failure](ErrorKind::Failure), which includes unclassified errors, count as
    ///   failures.
    /// - [Cancelled](ErrorKind::Cancelled), [client gone](ErrorKind::ClientGone) and
    ///   bugs are not evidence of a failing dependency. They have the same effect as
    ///   dropping the permit.
    /// - Any other error is a valid response and counts as a success.
    ///
    /// ```
    /// use highwater::error::{AppError, Breaker, BreakerState};
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("users").failure_threshold(1);
    /// let now = Duration::ZERO;
    /// let mut call = |result: Result<(), AppError>| {
    ///     let permit = breaker.admit(now)?;
    ///     breaker.record(permit, &result, now);
    ///     result
    /// };
    /// assert_eq!(call(Err(AppError::not_found("no user 7"))).unwrap_err().status(), 404);
    /// assert!(call(Err(AppError::timeout("reading user 7"))).unwrap_err().is_transient());
    /// assert_eq!(breaker.state(), BreakerState::Open);
    /// ```
    pub fn record<T>(&self, permit: Permit, result: &Result<T, AppError>, now: Duration) {
        match result.as_ref().err().map(AppError::kind) {
            Some(ErrorKind::Unavailable | ErrorKind::Timeout | ErrorKind::Failure) => {
                self.record_failure(permit, now);
            }
            Some(ErrorKind::Cancelled | ErrorKind::ClientGone | ErrorKind::Bug) => drop(permit),
            _ => self.record_success(permit, now),
        }
    }

    /// Returns the state as of the latest call to this breaker.
    ///
    /// ```
    /// use highwater::error::{Breaker, BreakerState};
    ///
    /// assert_eq!(Breaker::new("stripe").state(), BreakerState::Closed);
    /// ```
    pub fn state(&self) -> BreakerState {
        match lock(&self.shared).phase {
            CircuitPhase::Closed { .. } => BreakerState::Closed,
            CircuitPhase::Open { .. } => BreakerState::Open,
            CircuitPhase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Releases the permit of a call whose outcome will not be recorded.
    fn release(&self, generation: u64, round: u64) {
        lock(&self.shared).release(generation, round);
    }
}

/// The permission to make one call, from [`Breaker::admit`]. Pass it to
/// [`Breaker::record`] with the outcome.
///
/// If it is dropped instead, the call is not counted, and a half-open breaker admits
/// another call in its place.
///
/// ```
/// use highwater::error::{Breaker, BreakerState, Permit};
/// use std::time::Duration;
///
/// let breaker = Breaker::new("stripe").failure_threshold(1);
/// let permit: Permit = breaker.admit(Duration::ZERO).unwrap();
/// drop(permit);
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// ```
#[derive(Debug)]
#[must_use = "pass it to `record` with the call's result"]
pub struct Permit {
    breaker: Breaker,
    generation: u64,
    round: u64,
    is_reported: bool,
}

/// The error for a rejected call. Converts to an
/// [unavailable](ErrorKind::Unavailable) [`AppError`](crate::error::AppError) with
/// `?`.
///
/// ```
/// use highwater::error::{AppError, Breaker, BreakerOpen};
/// use std::time::Duration;
///
/// let breaker = Breaker::new("stripe").failure_threshold(1);
/// let permit = breaker.admit(Duration::ZERO).unwrap();
/// breaker.record_failure(permit, Duration::ZERO);
/// let open: BreakerOpen = breaker.admit(Duration::ZERO).unwrap_err();
/// assert_eq!(open.to_string(), "the breaker for stripe is open");
/// assert_eq!(AppError::from(open).status(), 503);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the breaker for {dependency} is open")]
pub struct BreakerOpen {
    /// The dependency that the breaker protects.
    pub dependency: &'static str,
    /// The time until the next call is admitted; 0 if that depends on the outcome of
    /// half-open calls.
    pub retry_after: Duration,
}

impl Permit {
    /// Consumes the permit and returns its generation, or `None` if it belongs to
    /// another breaker.
    fn into_generation(mut self, breaker: &Breaker) -> Option<u64> {
        self.is_reported = Arc::ptr_eq(&self.breaker.shared, &breaker.shared);
        self.is_reported.then_some(self.generation)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if !self.is_reported {
            self.breaker.release(self.generation, self.round);
        }
    }
}

impl Classify for BreakerOpen {
    fn classify(&self) -> Classification {
        Classification::new(ErrorKind::Unavailable)
            .with_retry_after(self.retry_after)
            .with_open_breaker(true)
    }
}

impl Circuit {
    /// Admits a call and returns the current generation and round, or the time until
    /// the next call is admitted.
    fn admit(&mut self, limits: &BreakerLimits, now: Duration) -> Result<(u64, u64), Duration> {
        self.advance_to(now);
        let admission = (self.generation, self.round);
        match &mut self.phase {
            CircuitPhase::Closed { .. } => Ok(admission),
            CircuitPhase::HalfOpen {
                admitted_count,
                until,
                ..
            } if *admitted_count < limits.half_open_max_calls => {
                *admitted_count += 1;
                *until = self.now.saturating_add(limits.open_duration);
                Ok(admission)
            }
            CircuitPhase::HalfOpen { .. } => Err(Duration::ZERO),
            CircuitPhase::Open { until } => Err(until.saturating_sub(self.now)),
        }
    }

    fn record_success(&mut self, limits: &BreakerLimits, generation: u64, now: Duration) {
        if self.is_stale(generation, now) {
            return;
        }
        match &mut self.phase {
            CircuitPhase::Closed { failure_count } => *failure_count = 0,
            CircuitPhase::HalfOpen {
                admitted_count,
                success_count,
                ..
            } => {
                *success_count += 1;
                // Another call may already have been admitted in its place.
                *admitted_count = (*admitted_count).max(*success_count);
                if *success_count >= limits.half_open_max_calls {
                    self.enter_phase(CircuitPhase::Closed { failure_count: 0 });
                }
            }
            CircuitPhase::Open { .. } => {}
        }
    }

    fn record_failure(&mut self, limits: &BreakerLimits, generation: u64, now: Duration) {
        if self.is_stale(generation, now) {
            return;
        }
        match &mut self.phase {
            CircuitPhase::Closed { failure_count } => {
                *failure_count += 1;
                if *failure_count >= limits.failure_threshold {
                    self.open(limits);
                }
            }
            CircuitPhase::HalfOpen { .. } => self.open(limits),
            CircuitPhase::Open { .. } => {}
        }
    }

    fn release(&mut self, generation: u64, round: u64) {
        // Another call already has the permit.
        if (generation, round) != (self.generation, self.round) {
            return;
        }
        if let CircuitPhase::HalfOpen {
            admitted_count,
            success_count,
            ..
        } = &mut self.phase
        {
            *admitted_count = admitted_count.saturating_sub(1).max(*success_count);
        }
    }

    /// Advances to the phase that is due at `now`.
    fn advance_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
        match &mut self.phase {
            CircuitPhase::Open { until } if *until <= self.now => {
                self.enter_phase(CircuitPhase::HalfOpen {
                    admitted_count: 0,
                    success_count: 0,
                    until: self.now,
                });
            }
            CircuitPhase::HalfOpen {
                admitted_count,
                success_count,
                until,
            } if *until <= self.now && *admitted_count > *success_count => {
                *admitted_count = *success_count;
                self.round += 1;
            }
            _ => {}
        }
    }

    /// Returns whether a call was admitted before the last state change.
    fn is_stale(&mut self, generation: u64, now: Duration) -> bool {
        self.advance_to(now);
        generation != self.generation
    }

    fn open(&mut self, limits: &BreakerLimits) {
        let until = self.now.saturating_add(limits.open_duration);
        self.enter_phase(CircuitPhase::Open { until });
    }

    fn enter_phase(&mut self, phase: CircuitPhase) {
        self.phase = phase;
        self.generation += 1;
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Breaker")
            .field("dependency", &self.dependency)
            .field("limits", &self.limits)
            .field("phase", &lock(&self.shared).phase)
            .finish_non_exhaustive()
    }
}
