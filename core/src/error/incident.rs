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
    /// Which attempt it was, counted from 1.
    pub attempt: u32,
    /// The time, since any start.
    pub now: Duration,
}

impl<'a> Incident<'a> {
    /// The first attempt at what had better not be done twice, at the start of
    /// time.
    ///
    /// ```
    /// use highwater::error::{Ids, Incident};
    ///
    /// let incident = Incident::new(Ids::new(7).make(), "POST /orders");
    /// assert_eq!((incident.operation, incident.attempt), ("POST /orders", 1));
    /// assert!(!incident.is_idempotent);
    /// ```
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
    ///
    /// ```
    /// use highwater::error::{Ids, Incident};
    ///
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42").idempotent();
    /// assert!(incident.is_idempotent);
    /// ```
    #[must_use]
    pub fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    /// Which attempt it was, counted from 1.
    ///
    /// ```
    /// use highwater::error::{Ids, Incident};
    ///
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42").attempt(2);
    /// assert_eq!(incident.attempt, 2);
    /// ```
    #[must_use]
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// When it was. Only a handler that retries has to know.
    ///
    /// ```
    /// use highwater::error::{Ids, Incident};
    /// use std::time::Duration;
    ///
    /// let incident = Incident::new(Ids::new(7).make(), "GET /stock").at(Duration::from_secs(60));
    /// assert_eq!(incident.now, Duration::from_secs(60));
    /// ```
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
    ///
    /// ```
    /// use highwater::error::{AppError, Decision, Ids, Problem};
    ///
    /// let problem = Problem::new(&AppError::bug("no cart"), &Ids::new(7).make());
    /// assert_eq!(Decision::Drain(problem.clone()).problem(), Some(&problem));
    /// assert_eq!(Decision::Crash.problem(), None);
    /// ```
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Decision::Respond(problem) | Decision::Drain(problem) => Some(problem),
            Decision::Retry(_) | Decision::Crash => None,
        }
    }

    /// Whether it is to be done again.
    ///
    /// ```
    /// use highwater::error::Decision;
    /// use std::time::Duration;
    ///
    /// assert!(Decision::Retry(Duration::from_millis(50)).is_retry());
    /// assert!(!Decision::Crash.is_retry());
    /// ```
    pub fn is_retry(&self) -> bool {
        matches!(self, Decision::Retry(_))
    }

    /// Whether the process has to end.
    ///
    /// ```
    /// use highwater::error::Decision;
    /// use std::time::Duration;
    ///
    /// assert!(Decision::Crash.is_fatal());
    /// assert!(!Decision::Retry(Duration::from_millis(50)).is_fatal());
    /// ```
    pub fn is_fatal(&self) -> bool {
        matches!(self, Decision::Drain(_) | Decision::Crash)
    }

    /// As it is written in a log: `respond`, `retry`, `drain` or `crash`.
    ///
    /// ```
    /// use highwater::error::Decision;
    /// use std::time::Duration;
    ///
    /// assert_eq!(Decision::Crash.as_str(), "crash");
    /// assert_eq!(Decision::Retry(Duration::from_millis(50)).as_str(), "retry");
    /// ```
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
///
/// ```
/// use highwater::error::{AppError, Handler, Ids, Incident, ErrorReport};
/// use std::sync::mpsc;
///
/// let (tell, told) = mpsc::channel();
/// let handler = Handler::new().on_error(move |report: &ErrorReport<'_>| {
///     tell.send((report.error.status(), report.incident.attempt, report.gave_up)).unwrap();
/// });
/// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
/// let _decision = handler.handle(&AppError::not_found("There is no such order."), &incident);
/// assert_eq!(told.recv().unwrap(), (404, 1, None), "it never retries");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ErrorReport<'a> {
    /// What went wrong.
    pub error: &'a AppError,
    /// In the midst of what.
    pub incident: &'a Incident<'a>,
    /// What is done about it.
    pub decision: &'a Decision,
    /// Why it is not retried; `None` if it is, or if the handler never does.
    pub gave_up: Option<GiveUp>,
    pub(super) is_hang_up: bool,
}
