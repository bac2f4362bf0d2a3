//! Leaving a dependency alone that is down.

mod permit;

pub use permit::{BreakerOpen, Permit};

use super::{AppError, Kind};
use std::time::Duration;

/// A circuit breaker: after some failures in a row it lets no call through for a
/// while, then a few to probe.
///
/// - **Closed**, it admits every call. The [`failures`](Self::failures)th failure
///   in a row opens it.
/// - **Open**, it admits none: callers fail at once instead of piling up behind a
///   dependency that is down, which gets the rest that it needs.
/// - **Half-open**, after [`rest`](Self::rest), it admits as many calls as there
///   are [`probes`](Self::probes), and no other before the outcome: it closes
///   when all have succeeded, and opens at the first failure. Those that are not
///   reported within the same time, from the last one on, may never be, so others
///   are admitted in their place. What comes of them still counts: a call may take
///   longer than the rest.
///
/// What comes in of a call that was admitted before it last opened or closed
/// counts no more. It is a pure state machine: `now` is the time since any start, and one
/// earlier than it was told before counts as that one.
///
/// ```
/// use highwater::error::{AppError, Breaker, BreakerState};
/// use std::time::Duration;
///
/// let mut breaker = Breaker::new("stripe").failures(2).rest(Duration::from_secs(5));
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
#[derive(Clone, Debug)]
#[must_use = "it does nothing by itself"]
pub struct Breaker {
    dependency: &'static str,
    failures: u32,
    rest: Duration,
    probes: u32,
    phase: Phase,
    /// How often the phase has changed.
    generation: u64,
    now: Duration,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
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
        /// Whoever was admitted and not reported until then is replaced.
        until: Duration,
    },
}

/// What a [`Breaker`] does with calls.
///
/// ```
/// # use highwater::error::{Breaker, BreakerState};
/// # use std::time::Duration;
/// let mut breaker = Breaker::new("stripe").failures(1).rest(Duration::from_secs(1));
/// let permit = breaker.admit(Duration::ZERO).unwrap();
/// breaker.failed(permit, Duration::ZERO);
/// assert_eq!(breaker.state(), BreakerState::Open);
/// let _probe = breaker.admit(Duration::from_secs(1)).unwrap();
/// assert_eq!(breaker.state(), BreakerState::HalfOpen);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
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
    /// # use highwater::error::{Breaker, BreakerState};
    /// # use std::time::Duration;
    /// let mut breaker = Breaker::new("stripe");
    /// for _call in 0..5 {
    ///     assert_eq!(breaker.state(), BreakerState::Closed);
    ///     let permit = breaker.admit(Duration::ZERO).unwrap();
    ///     breaker.failed(permit, Duration::ZERO);
    /// }
    /// assert_eq!(breaker.state(), BreakerState::Open);
    /// ```
    pub const fn new(dependency: &'static str) -> Self {
        Breaker {
            dependency,
            failures: 5,
            rest: Duration::from_secs(5),
            probes: 1,
            phase: Phase::Closed { failed: 0 },
            generation: 0,
            now: Duration::ZERO,
        }
    }

    /// How many failures in a row open it; 0 counts as 1.
    ///
    /// ```
    /// # use highwater::error::Breaker;
    /// # use std::time::Duration;
    /// let mut breaker = Breaker::new("stripe").failures(1);
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.failed(permit, Duration::ZERO);
    /// assert!(breaker.admit(Duration::ZERO).is_err());
    /// ```
    pub fn failures(mut self, failures: u32) -> Self {
        self.failures = failures.max(1);
        self
    }

    /// How long it stays open, and waits for its probes; 0 counts as a
    /// nanosecond.
    ///
    /// ```
    /// # use highwater::error::Breaker;
    /// # use std::time::Duration;
    /// let mut breaker = Breaker::new("stripe").failures(1).rest(Duration::from_secs(2));
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.failed(permit, Duration::ZERO);
    /// assert!(breaker.admit(Duration::from_secs(1)).is_err());
    /// assert!(breaker.admit(Duration::from_secs(2)).is_ok());
    /// ```
    pub fn rest(mut self, rest: Duration) -> Self {
        self.rest = rest.max(Duration::from_nanos(1));
        self
    }

    /// How many calls it probes with, all of which have to succeed; 0 counts as
    /// 1.
    ///
    /// ```
    /// # use highwater::error::Breaker;
    /// # use std::time::Duration;
    /// let mut breaker = Breaker::new("stripe").failures(1).probes(2);
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.failed(permit, Duration::ZERO);
    /// let later = Duration::from_secs(5);
    /// assert!(breaker.admit(later).is_ok() && breaker.admit(later).is_ok());
    /// assert!(breaker.admit(later).is_err());
    /// ```
    pub fn probes(mut self, probes: u32) -> Self {
        self.probes = probes.max(1);
        self
    }

    /// Asks whether a call may be made.
    ///
    /// ```
    /// # use highwater::error::Breaker;
    /// # use std::time::Duration;
    /// let mut breaker = Breaker::new("stripe").failures(1);
    /// let permit = breaker.admit(Duration::ZERO).unwrap();
    /// breaker.failed(permit, Duration::ZERO);
    /// let refused = breaker.admit(Duration::from_secs(1)).unwrap_err();
    /// assert_eq!(refused.retry_after, Duration::from_secs(4));
    /// ```
    ///
    /// # Errors
    ///
    /// [`BreakerOpen`] if it may not.
    pub fn admit(&mut self, now: Duration) -> Result<Permit, BreakerOpen> {
        self.turn_to(now);
        let retry_after = match &mut self.phase {
            Phase::Closed { .. } => return Ok(self.permit()),
            Phase::HalfOpen {
                admitted, until, ..
            } if *admitted < self.probes => {
                *admitted += 1;
                *until = self.now.saturating_add(self.rest);
                return Ok(self.permit());
            }
            Phase::HalfOpen { .. } => Duration::ZERO,
            Phase::Open { until } => until.saturating_sub(self.now),
        };
        Err(BreakerOpen {
            dependency: self.dependency,
            retry_after,
        })
    }

    /// The call went well, as far as the dependency goes: that it did not find
    /// something is an answer too.
    ///
    /// ```
    /// # use highwater::error::{Breaker, BreakerState};
    /// # use std::time::Duration;
    /// let mut breaker = Breaker::new("stripe").failures(2);
    /// for is_well in [false, true, false] {
    ///     let permit = breaker.admit(Duration::ZERO).unwrap();
    ///     match is_well {
    ///         true => breaker.succeeded(permit, Duration::ZERO),
    ///         false => breaker.failed(permit, Duration::ZERO),
    ///     }
    /// }
    /// assert_eq!(breaker.state(), BreakerState::Closed, "not two in a row");
    /// ```
    pub fn succeeded(&mut self, permit: Permit, now: Duration) {
        if self.is_stale(permit.generation(), now) {
            return;
        }
        match &mut self.phase {
            Phase::Closed { failed } => *failed = 0,
            Phase::HalfOpen {
                admitted,
                succeeded,
                ..
            } => {
                *succeeded += 1;
                // It may be one that was replaced already.
                *admitted = (*admitted).max(*succeeded);
                if *succeeded >= self.probes {
                    self.change(Phase::Closed { failed: 0 });
                }
            }
            Phase::Open { .. } => {}
        }
    }

    /// The call went wrong, and that is the dependency's fault.
    ///
    /// ```
    /// # use highwater::error::{Breaker, BreakerState};
    /// # use std::time::Duration;
    /// let mut breaker = Breaker::new("stripe").failures(2);
    /// for state in [BreakerState::Closed, BreakerState::Open] {
    ///     let permit = breaker.admit(Duration::ZERO).unwrap();
    ///     breaker.failed(permit, Duration::ZERO);
    ///     assert_eq!(breaker.state(), state);
    /// }
    /// ```
    pub fn failed(&mut self, permit: Permit, now: Duration) {
        if self.is_stale(permit.generation(), now) {
            return;
        }
        match &mut self.phase {
            Phase::Closed { failed } => {
                *failed += 1;
                if *failed >= self.failures {
                    self.open();
                }
            }
            Phase::HalfOpen { .. } => self.open(),
            Phase::Open { .. } => {}
        }
    }

    /// How the call went, by the [kind](AppError::kind) of its error:
    ///
    /// - It failed if it is [unavailable](Kind::Unavailable), timed out, or is a
    ///   [failure](Kind::Failure), which is what nobody classified too.
    /// - What was [cancelled](Kind::Cancelled), or given up as [the client is
    ///   gone](Kind::ClientGone), says nothing about the dependency, and nor does a
    ///   bug of ours: as if the permit was dropped.
    /// - Any other error is an answer, and so it went well.
    ///
    /// ```
    /// use highwater::error::{AppError, Breaker, BreakerState};
    /// use std::time::Duration;
    ///
    /// let mut breaker = Breaker::new("users").failures(1);
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
    pub fn record<T>(&mut self, permit: Permit, result: &Result<T, AppError>, now: Duration) {
        match result.as_ref().err().map(AppError::kind) {
            Some(Kind::Unavailable | Kind::Timeout | Kind::Failure) => self.failed(permit, now),
            Some(Kind::Cancelled | Kind::ClientGone | Kind::Bug) => {}
            _ => self.succeeded(permit, now),
        }
    }

    /// What it does with calls, as it was when it was last told the time.
    ///
    /// ```
    /// # use highwater::error::{Breaker, BreakerState};
    /// assert_eq!(Breaker::new("stripe").state(), BreakerState::Closed);
    /// ```
    pub fn state(&self) -> BreakerState {
        match self.phase {
            Phase::Closed { .. } => BreakerState::Closed,
            Phase::Open { .. } => BreakerState::Open,
            Phase::HalfOpen { .. } => BreakerState::HalfOpen,
        }
    }

    /// Does what was due by now.
    fn turn_to(&mut self, now: Duration) {
        self.now = self.now.max(now);
        match &mut self.phase {
            Phase::Open { until } if *until <= self.now => self.change(Phase::HalfOpen {
                admitted: 0,
                succeeded: 0,
                until: self.now,
            }),
            Phase::HalfOpen {
                admitted,
                succeeded,
                until,
            } if *until <= self.now => *admitted = *succeeded,
            _ => {}
        }
    }

    /// Whether it was admitted before the last change.
    fn is_stale(&mut self, generation: u64, now: Duration) -> bool {
        self.turn_to(now);
        generation != self.generation
    }

    fn open(&mut self) {
        let until = self.now.saturating_add(self.rest);
        self.change(Phase::Open { until });
    }

    fn change(&mut self, phase: Phase) {
        self.phase = phase;
        self.generation += 1;
    }

    fn permit(&self) -> Permit {
        Permit {
            generation: self.generation,
        }
    }
}
