//! Leaving a dependency alone that is down.

use super::{AppError, Classification, Classify, ErrorKind};
use crate::{
    Clock,
    sync::{Arc, Mutex, lock},
};
use std::{fmt, time::Duration};

/// A circuit breaker: after several failures in a row it rejects calls for a
/// while, then admits a few trial calls. A clone is the same breaker.
///
/// - **Closed**, it admits every call. The
///   [`failure_threshold`](Self::failure_threshold)th failure in a row opens it.
/// - **Open**, it rejects every call, so that callers fail at once instead of
///   piling up behind a dependency that is down.
/// - **Half-open**, after [`open_duration`](Self::open_duration), it admits up to
///   [`half_open_max_calls`](Self::half_open_max_calls) calls at a time. It closes
///   when as many have succeeded, and opens at the first failure. A call that is
///   cancelled, or panics, gives its place back at once. A call that is not
///   reported within `open_duration` is replaced by another, but its outcome still
///   counts: a call may take longer than that.
///
/// The outcome of a call that was admitted before the last change of state is
/// ignored. [`call`](Self::call) does all of it for one call;
/// [`admit`](Self::admit) and [`record`](Self::record) are the two halves. The
/// breaker has no clock: `now` is the time since any start, and a time earlier
/// than the last one counts as the last one.
///
/// ```
/// use highwater::error::{AppError, Breaker, BreakerState};
/// use std::time::Duration;
///
/// let breaker = Breaker::new("stripe").failure_threshold(2).open_duration(Duration::from_secs(5));
/// let second = Duration::from_secs;
/// for _call in 0..2 {
///     let permit = breaker.admit(second(0))?;
///     breaker.failed(permit, second(0));
/// }
/// assert_eq!(breaker.state(), BreakerState::Open);
///
/// let refused: AppError = breaker.admit(second(1)).unwrap_err().into();
/// assert_eq!((refused.status(), refused.retry_after()), (503, Some(second(4))));
///
/// let probe = breaker.admit(second(5))?;
/// assert!(breaker.admit(second(5)).is_err(), "one probe at a time");
/// breaker.succeeded(probe, second(6));
/// assert_eq!(breaker.state(), BreakerState::Closed);
/// # Ok::<(), AppError>(())
/// ```
#[derive(Clone)]
#[must_use = "it does nothing by itself"]
pub struct Breaker {
    shared: Arc<Mutex<Circuit>>,
}

struct Circuit {
    dependency: &'static str,
    failure_threshold: u32,
    open_duration: Duration,
    half_open_max_calls: u32,
    phase: CircuitPhase,
    /// The number of phase changes.
    generation: u64,
    /// The number of times that silent half-open calls were replaced.
    round: u64,
    now: Duration,
}

#[derive(Clone, Copy, Debug)]
enum CircuitPhase {
    Closed {
        /// In a row.
        failed: u32,
    },
    Open {
        until: Duration,
    },
    HalfOpen {
        admitted: u32,
        succeeded: u32,
        /// Calls that are not reported until then are replaced.
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
/// breaker.failed(permit, Duration::ZERO);
/// assert_eq!(breaker.state(), BreakerState::Open);
/// let _probe = breaker.admit(Duration::from_secs(1)).unwrap();
/// assert_eq!(breaker.state(), BreakerState::HalfOpen);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize))]
pub enum BreakerState {
    /// All are admitted.
    Closed,
    /// None is admitted.
    Open,
    /// A few are admitted, to see how they fare.
    HalfOpen,
}

impl Breaker {
    /// For a dependency, closed: it opens after 5 failures in a row, for 5
    /// seconds, and then probes with one call.
    ///
    /// ```
    /// use highwater::error::{Breaker, BreakerState};
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe");
    /// for _call in 0..5 {
    ///     assert_eq!(breaker.state(), BreakerState::Closed);
    ///     let permit = breaker.admit(Duration::ZERO).unwrap();
    ///     breaker.failed(permit, Duration::ZERO);
    /// }
    /// assert_eq!(breaker.state(), BreakerState::Open);
    /// ```
    pub fn new(dependency: &'static str) -> Self {
        let circuit = Circuit {
            dependency,
            failure_threshold: 5,
            open_duration: Duration::from_secs(5),
            half_open_max_calls: 1,
            phase: CircuitPhase::Closed { failed: 0 },
            generation: 0,
            round: 0,
            now: Duration::ZERO,
        };
        Breaker {
            shared: Arc::new(Mutex::new(circuit)),
        }
    }

    /// Sets the number of failures in a row that open it; 0 counts as 1.
    ///
    /// ```
    /// use highwater::error::Breaker;
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(1);
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.failed(permit, Duration::ZERO);
    /// assert!(breaker.admit(Duration::ZERO).is_err());
    /// ```
    pub fn failure_threshold(self, failures: u32) -> Self {
        lock(&self.shared).failure_threshold = failures.max(1);
        self
    }

    /// Sets how long it stays open, and waits for half-open calls; 0 counts as a
    /// nanosecond.
    ///
    /// ```
    /// use highwater::error::Breaker;
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(1).open_duration(Duration::from_secs(2));
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.failed(permit, Duration::ZERO);
    /// assert!(breaker.admit(Duration::from_secs(1)).is_err());
    /// assert!(breaker.admit(Duration::from_secs(2)).is_ok());
    /// ```
    pub fn open_duration(self, duration: Duration) -> Self {
        lock(&self.shared).open_duration = duration.max(Duration::from_nanos(1));
        self
    }

    /// Sets the number of half-open calls, all of which have to succeed; 0 counts as
    /// 1.
    ///
    /// ```
    /// use highwater::error::Breaker;
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(1).half_open_max_calls(2);
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.failed(permit, Duration::ZERO);
    /// let later = Duration::from_secs(5);
    /// let trials = [breaker.admit(later).unwrap(), breaker.admit(later).unwrap()];
    /// assert!(breaker.admit(later).is_err());
    /// # drop(trials);
    /// ```
    pub fn half_open_max_calls(self, calls: u32) -> Self {
        lock(&self.shared).half_open_max_calls = calls.max(1);
        self
    }

    /// Makes a call if the breaker admits it, and records its outcome.
    ///
    /// The operation is not started if the breaker is open. If the future is
    /// dropped before it completes, or the operation panics, the call counts for
    /// nothing and its place is given back. What counts as a failure is said at
    /// [`record`](Self::record). No lock is held while the operation runs.
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
    /// The operation's error, or [`BreakerOpen`] as an
    /// [unavailable](ErrorKind::Unavailable) error if the call was rejected.
    pub async fn call<T, F>(
        &self,
        clock: &(impl Clock + ?Sized),
        operation: impl FnOnce() -> F,
    ) -> Result<T, AppError>
    where
        F: Future<Output = Result<T, AppError>>,
    {
        let permit = self.admit(clock.now())?;
        let result = operation().await;
        self.record(permit, &result, clock.now());
        result
    }

    /// Asks whether a call may be made.
    ///
    /// ```
    /// use highwater::error::Breaker;
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(1);
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.failed(permit, Duration::ZERO);
    /// let refused = breaker.admit(Duration::from_secs(1)).unwrap_err();
    /// assert_eq!(refused.retry_after, Duration::from_secs(4));
    /// ```
    ///
    /// # Errors
    ///
    /// [`BreakerOpen`] if it may not.
    pub fn admit(&self, now: Duration) -> Result<Permit, BreakerOpen> {
        let (generation, round) = lock(&self.shared).admit(now)?;
        Ok(Permit {
            breaker: self.clone(),
            generation,
            round,
            is_reported: false,
        })
    }

    /// The call went well, as far as the dependency goes: that it did not find
    /// something is an answer too.
    ///
    /// ```
    /// use highwater::error::{Breaker, BreakerState};
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(2);
    /// for is_well in [false, true, false] {
    ///     let permit = breaker.admit(Duration::ZERO).unwrap();
    ///     match is_well {
    ///         true => breaker.succeeded(permit, Duration::ZERO),
    ///         false => breaker.failed(permit, Duration::ZERO),
    ///     }
    /// }
    /// assert_eq!(breaker.state(), BreakerState::Closed, "not two in a row");
    /// ```
    pub fn succeeded(&self, permit: Permit, now: Duration) {
        if let Some(generation) = permit.report_to(self) {
            lock(&self.shared).succeeded(generation, now);
        }
    }

    /// The call went wrong, and that is the dependency's fault.
    ///
    /// ```
    /// use highwater::error::{Breaker, BreakerState};
    /// use std::time::Duration;
    ///
    /// let breaker = Breaker::new("stripe").failure_threshold(2);
    /// for state in [BreakerState::Closed, BreakerState::Open] {
    ///     let permit = breaker.admit(Duration::ZERO).unwrap();
    ///     breaker.failed(permit, Duration::ZERO);
    ///     assert_eq!(breaker.state(), state);
    /// }
    /// ```
    pub fn failed(&self, permit: Permit, now: Duration) {
        if let Some(generation) = permit.report_to(self) {
            lock(&self.shared).failed(generation, now);
        }
    }

    /// Reports the outcome of a call, by the [kind](AppError::kind) of its error:
    ///
    /// - It failed if it is [unavailable](ErrorKind::Unavailable), timed out, or is a
    ///   [failure](ErrorKind::Failure), which is what nobody classified too.
    /// - A [cancelled](ErrorKind::Cancelled) call, one whose [client is
    ///   gone](ErrorKind::ClientGone) and a bug say nothing about the dependency: as if
    ///   the permit was dropped.
    /// - Any other error is an answer, and so it went well.
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
                self.failed(permit, now)
            }
            Some(ErrorKind::Cancelled | ErrorKind::ClientGone | ErrorKind::Bug) => drop(permit),
            _ => self.succeeded(permit, now),
        }
    }

    /// Returns its state as of the last time it was told.
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

    /// Gives back the place of a call that is never reported.
    fn give_back(&self, generation: u64, round: u64) {
        lock(&self.shared).give_back(generation, round);
    }
}

/// Permission to make one call, from [`Breaker::admit`]. Hand it to
/// [`Breaker::record`] with the outcome.
///
/// Dropped instead, it counts for nothing, and a half-open breaker admits
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
#[must_use = "give it back with how the call went"]
pub struct Permit {
    breaker: Breaker,
    generation: u64,
    round: u64,
    is_reported: bool,
}

/// The call may not be made: the dependency is left alone. Becomes an
/// [unavailable](ErrorKind::Unavailable) [`AppError`](crate::error::AppError) by `?`.
///
/// ```
/// use highwater::error::{AppError, Breaker, BreakerOpen};
/// use std::time::Duration;
///
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
    fn report_to(mut self, breaker: &Breaker) -> Option<u64> {
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
        Classification::new(ErrorKind::Unavailable)
            .with_retry_after(self.retry_after)
            .of_open_breaker(true)
    }
}

impl Circuit {
    /// Admits a call, which is known by the generation and round of the circuit.
    fn admit(&mut self, now: Duration) -> Result<(u64, u64), BreakerOpen> {
        self.turn_to(now);
        let admission = (self.generation, self.round);
        let retry_after = match &mut self.phase {
            CircuitPhase::Closed { .. } => return Ok(admission),
            CircuitPhase::HalfOpen {
                admitted, until, ..
            } if *admitted < self.half_open_max_calls => {
                *admitted += 1;
                *until = self.now.saturating_add(self.open_duration);
                return Ok(admission);
            }
            CircuitPhase::HalfOpen { .. } => Duration::ZERO,
            CircuitPhase::Open { until } => until.saturating_sub(self.now),
        };
        Err(BreakerOpen {
            dependency: self.dependency,
            retry_after,
        })
    }

    fn succeeded(&mut self, generation: u64, now: Duration) {
        if self.is_stale(generation, now) {
            return;
        }
        match &mut self.phase {
            CircuitPhase::Closed { failed } => *failed = 0,
            CircuitPhase::HalfOpen {
                admitted,
                succeeded,
                ..
            } => {
                *succeeded += 1;
                // It may be one that was replaced already.
                *admitted = (*admitted).max(*succeeded);
                if *succeeded >= self.half_open_max_calls {
                    self.change(CircuitPhase::Closed { failed: 0 });
                }
            }
            CircuitPhase::Open { .. } => {}
        }
    }

    fn failed(&mut self, generation: u64, now: Duration) {
        if self.is_stale(generation, now) {
            return;
        }
        match &mut self.phase {
            CircuitPhase::Closed { failed } => {
                *failed += 1;
                if *failed >= self.failure_threshold {
                    self.open();
                }
            }
            CircuitPhase::HalfOpen { .. } => self.open(),
            CircuitPhase::Open { .. } => {}
        }
    }

    fn give_back(&mut self, generation: u64, round: u64) {
        // A call that was replaced has given its place to another already.
        if (generation, round) != (self.generation, self.round) {
            return;
        }
        if let CircuitPhase::HalfOpen {
            admitted,
            succeeded,
            ..
        } = &mut self.phase
        {
            *admitted = admitted.saturating_sub(1).max(*succeeded);
        }
    }

    /// Changes to the phase that is due by now.
    fn turn_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
        match &mut self.phase {
            CircuitPhase::Open { until } if *until <= self.now => {
                self.change(CircuitPhase::HalfOpen {
                    admitted: 0,
                    succeeded: 0,
                    until: self.now,
                })
            }
            CircuitPhase::HalfOpen {
                admitted,
                succeeded,
                until,
            } if *until <= self.now && *admitted > *succeeded => {
                *admitted = *succeeded;
                self.round += 1;
            }
            _ => {}
        }
    }

    /// Whether it was admitted before the last change.
    fn is_stale(&mut self, generation: u64, now: Duration) -> bool {
        self.turn_to(now);
        generation != self.generation
    }

    fn open(&mut self) {
        let until = self.now.saturating_add(self.open_duration);
        self.change(CircuitPhase::Open { until });
    }

    fn change(&mut self, phase: CircuitPhase) {
        self.phase = phase;
        self.generation += 1;
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let circuit = lock(&self.shared);
        f.debug_struct("Breaker")
            .field("dependency", &circuit.dependency)
            .field("phase", &circuit.phase)
            .finish_non_exhaustive()
    }
}
