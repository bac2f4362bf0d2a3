//! What happened, and what is done about it.

use super::{AppError, CorrelationId, GiveUp, Problem};
use std::time::Duration;

/// In the midst of what an error came up.
///
/// ```
/// use highwater::error::{Ids, Incident};
/// use std::time::Duration;
///
/// let id = Ids::new(7).make();
/// let incident = Incident::new(id, "GET /orders/42")
///     .idempotent()
///     .attempt(2)
///     .at(Duration::from_secs(60));
/// assert!(incident.is_idempotent);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Incident<'a> {
    /// The name of the request.
    pub id: CorrelationId,
    /// What was done, such as a method and a route.
    pub operation: &'a str,
    /// Whether doing it twice is the same as doing it once. Only then can it be
    /// retried.
    pub is_idempotent: bool,
    /// The how manieth time it was done, from 1.
    pub attempt: u32,
    /// The time, since any start.
    pub now: Duration,
}

impl<'a> Incident<'a> {
    /// The first attempt at what had better not be done twice, at the start of
    /// time.
    pub fn new(id: CorrelationId, operation: &'a str) -> Self {
        Incident {
            id,
            operation,
            is_idempotent: false,
            attempt: 1,
            now: Duration::ZERO,
        }
    }

    /// Doing it twice is the same as doing it once.
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    /// The how manieth time it was done, from 1.
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// When it was. Only a handler that retries has to know.
    #[must_use]
    pub fn at(mut self, now: Duration) -> Self {
        self.now = now;
        self
    }
}

/// What a [`Handler`](super::Handler) has decided, to be done by whoever asked.
///
/// ```
/// use highwater::error::{AppError, Decision, Handler, Ids, Incident};
///
/// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
/// let (status, goes_on) = match Handler::new().handle(&AppError::bug("it"), &incident) {
///     Decision::Respond(problem) => (Some(problem.status()), true),
///     Decision::Retry(_after) => (None, true),
///     Decision::Drain(problem) => (Some(problem.status()), false),
///     Decision::Crash => (None, false),
/// };
/// assert_eq!((status, goes_on), (Some(500), false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "it has to be done"]
pub enum Decision {
    /// Answer, and go on.
    Respond(Problem),
    /// Do it again, after this has passed.
    Retry(Duration),
    /// Answer, take no more work, let finish what is under way, and end the
    /// process: its supervisor starts another.
    Drain(Problem),
    /// End the process at once. Nobody is answered, and what was under way is
    /// lost.
    Crash,
}

impl Decision {
    /// The answer, if there is one.
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Decision::Respond(problem) | Decision::Drain(problem) => Some(problem),
            Decision::Retry(_) | Decision::Crash => None,
        }
    }

    /// Whether it is to be done again.
    pub fn is_retry(&self) -> bool {
        matches!(self, Decision::Retry(_))
    }

    /// Whether the process has to end.
    pub fn is_fatal(&self) -> bool {
        matches!(self, Decision::Drain(_) | Decision::Crash)
    }

    /// As it is written in a log: `respond`, `retry`, `drain` or `crash`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Decision::Respond(_) => "respond",
            Decision::Retry(_) => "retry",
            Decision::Drain(_) => "drain",
            Decision::Crash => "crash",
        }
    }
}

/// What a [`Handler`](super::Handler) tells its observers.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Report<'a> {
    /// What went wrong.
    pub error: &'a AppError,
    /// In the midst of what.
    pub incident: &'a Incident<'a>,
    /// What is done about it.
    pub decision: &'a Decision,
    /// Why it is not retried; `None` if it is, or if the handler never does.
    pub gave_up: Option<GiveUp>,
}
