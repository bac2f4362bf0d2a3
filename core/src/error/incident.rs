//! Incidents, decisions and reports.

use super::{AppError, CorrelationId, GiveUp, Problem, TraceId};
use std::{fmt, time::Duration};

/// The circumstances of an error: the request, the operation and the attempt.
///
/// ```
/// use highwater::error::{IdGenerator, Incident};
/// use std::time::Duration;
///
/// let id = IdGenerator::new(7).generate();
/// let incident = Incident::new(id, "GET /orders/42")
///     .idempotent()
///     .attempt(2)
///     .at(Duration::from_secs(60));
/// assert!(incident.is_idempotent);
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
#[must_use = "does nothing unless used"]
pub struct Incident<'a> {
    /// The id of the request.
    pub id: CorrelationId,
    /// The id of the distributed trace that the request belongs to, if any.
    pub trace_id: Option<TraceId>,
    /// The operation that failed, such as a method and a route.
    pub operation: &'a str,
    /// True if repeating the operation has the same effect as running it once. Only
    /// idempotent operations are retried.
    pub is_idempotent: bool,
    /// The number of the attempt, from 1.
    pub attempt: u32,
    /// The time since an arbitrary fixed start.
    pub now: Duration,
}

impl<'a> Incident<'a> {
    /// Creates an incident for the first attempt at an operation that is not
    /// idempotent, at time zero.
    ///
    /// ```
    /// use highwater::error::{IdGenerator, Incident};
    ///
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "POST /orders");
    /// assert_eq!((incident.operation, incident.attempt), ("POST /orders", 1));
    /// assert!(!incident.is_idempotent);
    /// ```
    pub fn new(id: CorrelationId, operation: &'a str) -> Self {
        Incident {
            id,
            trace_id: None,
            operation,
            is_idempotent: false,
            attempt: 1,
            now: Duration::ZERO,
        }
    }

    /// Sets the trace that the request belongs to.
    ///
    /// ```
    /// use highwater::error::{IdGenerator, Incident, TraceId};
    ///
    /// let trace_id = TraceId::from_bytes([7; 16]);
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42").trace_id(trace_id);
    /// assert_eq!(incident.trace_id, trace_id);
    /// ```
    pub fn trace_id(mut self, trace_id: Option<TraceId>) -> Self {
        self.trace_id = trace_id;
        self
    }

    /// Marks the operation as idempotent.
    ///
    /// ```
    /// use highwater::error::{IdGenerator, Incident};
    ///
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42").idempotent();
    /// assert!(incident.is_idempotent);
    /// ```
    pub fn idempotent(mut self) -> Self {
        self.is_idempotent = true;
        self
    }

    /// Sets the number of the attempt, from 1.
    ///
    /// ```
    /// use highwater::error::{IdGenerator, Incident};
    ///
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42").attempt(2);
    /// assert_eq!(incident.attempt, 2);
    /// ```
    pub fn attempt(mut self, attempt: u32) -> Self {
        self.attempt = attempt;
        self
    }

    /// Sets the time. Only handlers that retry need it.
    ///
    /// ```
    /// use highwater::error::{IdGenerator, Incident};
    /// use std::time::Duration;
    ///
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /stock").at(Duration::from_secs(60));
    /// assert_eq!(incident.now, Duration::from_secs(60));
    /// ```
    pub fn at(mut self, now: Duration) -> Self {
        self.now = now;
        self
    }
}

/// The decision of a [`Handler`](super::Handler), which its caller carries out.
///
/// ```
/// use highwater::error::{AppError, Decision, Handler, IdGenerator, Incident};
///
/// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
/// let (status, continues) = match Handler::new().handle(&AppError::bug("no cart"), &incident) {
///     Decision::Respond(problem) => (Some(problem.status()), true),
///     Decision::Retry(_after) => (None, true),
///     Decision::Drain(problem) => (Some(problem.status()), false),
///     Decision::Crash => (None, false),
/// };
/// assert_eq!((status, continues), (Some(500), false));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "the caller has to carry out the decision"]
pub enum Decision {
    /// Respond and continue.
    Respond(Problem),
    /// Retry after this duration.
    Retry(Duration),
    /// Respond, stop taking work, finish the work in flight, and exit. A supervisor
    /// starts a replacement.
    Drain(Problem),
    /// Exit immediately, without a response. The work in flight is lost.
    Crash,
}

impl Decision {
    /// Returns the problem to respond with, if any.
    ///
    /// ```
    /// use highwater::error::{AppError, Decision, IdGenerator, Problem};
    ///
    /// let problem = Problem::new(&AppError::bug("no cart"), &IdGenerator::new(7).generate());
    /// assert_eq!(Decision::Drain(problem.clone()).problem(), Some(&problem));
    /// assert_eq!(Decision::Crash.problem(), None);
    /// ```
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Decision::Respond(problem) | Decision::Drain(problem) => Some(problem),
            Decision::Retry(_) | Decision::Crash => None,
        }
    }

    /// Returns whether to retry.
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

    /// Returns whether the process has to exit.
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

    /// Returns the name used in logs: `respond`, `retry`, `drain` or `crash`.
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

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The report that a [`Handler`](super::Handler) passes to its log function and
/// observers.
///
/// ```
/// use highwater::error::{AppError, Handler, IdGenerator, Incident, ErrorReport};
/// use std::sync::mpsc;
///
/// let (sender, reports) = mpsc::channel();
/// let handler = Handler::new().on_error(move |report: &ErrorReport<'_>| {
///     sender.send((report.error.status(), report.incident.attempt, report.gave_up)).unwrap();
/// });
/// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
/// let _decision = handler.handle(&AppError::not_found("There is no such order."), &incident);
/// assert_eq!(reports.recv().unwrap(), (404, 1, None), "retries are disabled");
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct ErrorReport<'a> {
    /// The error.
    pub error: &'a AppError,
    /// The circumstances of the error.
    pub incident: &'a Incident<'a>,
    /// The decision.
    pub decision: &'a Decision,
    /// The reason for not retrying. `None` if the error is retried or retries are
    /// disabled.
    pub gave_up: Option<GiveUp>,
    pub(super) is_hang_up: bool,
}
