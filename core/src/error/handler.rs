//! The error handler.

mod log_format;
mod stats;

pub use stats::HandlerStats;

use super::{
    AppError, Class, Decision, ErrorReport, FailedAttempt, GiveUp, Incident, Problem, RetryPolicy,
    correlation::mix,
};
use crate::{
    panics::catch_panic,
    sync::{Mutex, lock},
};
use log::Level;
use stats::HandlerCounts;
use std::{borrow::Cow, fmt, time::Duration};

/// A [`Handler`]'s reaction to a bug.
///
/// ```
/// use highwater::error::{AppError, Handler, IdGenerator, Incident, HandlerPolicy};
///
/// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
/// let decision = |policy| {
///     let handler = Handler::new().policy(policy);
///     handler.handle(&AppError::bug("no cart"), &incident).as_str()
/// };
/// assert_eq!(decision(HandlerPolicy::Supervise), "drain");
/// assert_eq!(decision(HandlerPolicy::Crash), "crash");
/// assert_eq!(decision(HandlerPolicy::Swallow), "respond");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandlerPolicy {
    /// Respond, stop taking work, finish the work in flight and exit. A supervisor
    /// starts a replacement.
    #[default]
    Supervise,
    /// Exit immediately. The work in flight is lost.
    Crash,
    /// Respond and continue in an unknown state. Exists to demonstrate the
    /// consequences: wrong results.
    Swallow,
}

/// The central error handler of an application. It logs and counts each error once,
/// notifies observers, and [decides](Decision) what to do.
///
/// | error | [`Supervise`](HandlerPolicy::Supervise) | [`Crash`](HandlerPolicy::Crash) | [`Swallow`](HandlerPolicy::Swallow) |
/// |---|---|---|---|
/// | operational, and the [`RetryPolicy`] allows a retry | `Retry` | `Retry` | `Retry` |
/// | any other operational error | `Respond` | `Respond` | `Respond` |
/// | a bug | `Drain` | `Crash` | `Respond` |
///
/// A [disconnected client](super::ErrorKind::ClientGone) is not treated as an error:
/// it is counted [separately](HandlerStats::hung_up), logged at debug level, and not
/// passed to observers.
///
/// The handler only decides. Its caller, such as a server, sleeps, responds or exits.
///
/// It tolerates broken errors: a `Display` that panics, cyclic sources, line breaks,
/// control characters, and texts of any length.
///
/// ```
/// use highwater::error::{AppError, Decision, Handler, IdGenerator, Incident};
///
/// let ids = IdGenerator::new(7);
/// let handler = Handler::new();
///
/// let incident = Incident::new(ids.generate(), "GET /orders/42");
/// let error = AppError::not_found("There is no such order.");
/// let Decision::Respond(problem) = handler.handle(&error, &incident) else {
///     panic!("not a server error");
/// };
/// assert_eq!((problem.status(), problem.id()), (404, &incident.id));
///
/// let incident = Incident::new(ids.generate(), "GET /orders/43");
/// let bug = AppError::bug("an order without a customer");
/// assert!(handler.handle(&bug, &incident).is_fatal());
/// assert_eq!(handler.stats().bugs, 1);
/// ```
#[must_use = "does nothing unless used"]
pub struct Handler {
    policy: HandlerPolicy,
    type_base: Option<Cow<'static, str>>,
    log: Option<Box<Log>>,
    observers: Vec<Box<Observer>>,
    retry: Option<RetryPolicy>,
    counts: Mutex<HandlerCounts>,
}

type Log = dyn Fn(&ErrorReport<'_>) + Send + Sync;
type Observer = dyn Fn(&ErrorReport<'_>) + Send + Sync;

/// The target of records written with the `log` crate.
const LOG_TARGET: &str = "highwater::error";

impl Handler {
    /// Creates a handler with [`HandlerPolicy::Supervise`] that writes to the `log`
    /// crate and does not retry.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident};
    ///
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /stock").idempotent();
    /// let decision = Handler::new().handle(&AppError::timeout("reading the stock"), &incident);
    /// assert_eq!(decision.as_str(), "respond");
    /// ```
    pub fn new() -> Self {
        Handler {
            policy: HandlerPolicy::default(),
            type_base: None,
            log: None,
            observers: Vec::new(),
            retry: None,
            counts: Mutex::new(HandlerCounts::default()),
        }
    }

    /// Sets the reaction to bugs.
    ///
    /// ```
    /// use highwater::error::{AppError, Decision, Handler, IdGenerator, Incident, HandlerPolicy};
    ///
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /stock");
    /// let handler = Handler::new().policy(HandlerPolicy::Crash);
    /// assert_eq!(handler.handle(&AppError::bug("no cart"), &incident), Decision::Crash);
    /// ```
    pub fn policy(mut self, policy: HandlerPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Enables retries. Call [`record_request`](Self::record_request) for each
    /// request, and set the [time](crate::error::Incident::at) of each incident.
    ///
    /// The jitter is derived from the id and the attempt, so simulated runs are
    /// reproducible.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let handler = Handler::new().retry(RetryPolicy::new());
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /stock")
    ///     .idempotent()
    ///     .at(Duration::from_secs(1));
    /// handler.record_request(incident.now);
    /// let error = AppError::timeout("reading the stock");
    /// assert!(handler.handle(&error, &incident).is_retry());
    ///
    /// let error = AppError::timeout("reading the stock");
    /// let third = incident.attempt(3);
    /// assert!(!handler.handle(&error, &third).is_retry(), "the third attempt is the last");
    /// ```
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Sets the base URI of problem types. The type of a problem is this URI followed
    /// by its code, and should lead to its documentation.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident};
    ///
    /// let handler = Handler::new().problem_types("https://example.com/problems/");
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
    /// let decision = handler.handle(&AppError::not_found("There is no such order."), &incident);
    /// let problem = decision.problem().unwrap();
    /// assert_eq!(problem.type_uri(), "https://example.com/problems/not_found");
    /// ```
    pub fn problem_types(mut self, base: impl Into<Cow<'static, str>>) -> Self {
        self.type_base = Some(base.into());
        self
    }

    /// Passes log lines to a function instead of the `log` crate: one per error,
    /// without line breaks.
    ///
    /// The level is `Error` for bugs, `Warn` for other server errors, `Info` for
    /// client errors, and `Debug` for errors that are retried and for disconnected
    /// clients.
    ///
    /// A line has at most 3 KiB, a value 1 KiB, and the operation, which contains
    /// client input, 256 bytes. Even with a prefix, a line thus stays short enough
    /// for an atomic write to a pipe shared by several processes.
    ///
    /// A line consists of `key=value` pairs, with quotes where needed. A context key
    /// that is not a word, or is one of the line's own keys, is written as
    /// `context=key value=value`, so that each line has a single `id`.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Incident};
    /// use std::sync::mpsc;
    ///
    /// let (write, lines) = mpsc::channel();
    /// let handler = Handler::new().log_to(move |level, line| {
    ///     write.send(format!("{level} {line}")).unwrap();
    /// });
    /// let error = AppError::unavailable("stripe").with_context("card", "4242\nid=fake");
    /// let incident = Incident::new("order-42".parse()?, "POST /orders");
    /// let _decision = handler.handle(&error, &incident);
    ///
    /// let line = lines.recv()?;
    /// assert!(line.starts_with(
    ///     "WARN id=order-42 class=operational code=unavailable status=503 decision=respond "
    /// ));
    /// assert!(line.contains(r#" operation="POST /orders" attempt=1 "#));
    /// assert!(line.ends_with(r#" error="stripe is unavailable" card="4242\nid=fake""#));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn log_to(self, log: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        self.log_with(move |report| log(report.level(), &report.line()))
    }

    /// Passes each report to a function instead of the `log` crate, before its line
    /// is formatted. A log that skips repeated errors thus avoids formatting them.
    ///
    /// Replaces an earlier function, including that of [`log_to`](Self::log_to).
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident};
    /// use std::sync::mpsc;
    ///
    /// let (write, lines) = mpsc::channel();
    /// let handler = Handler::new().log_with(move |report| {
    ///     if report.level() <= log::Level::Warn {
    ///         write.send(report.line()).unwrap();
    ///     }
    /// });
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
    /// let _decision = handler.handle(&AppError::not_found("There is no such order."), &incident);
    /// let _decision = handler.handle(&AppError::unavailable("stripe"), &incident);
    /// assert!(lines.recv()?.contains(" code=unavailable "));
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    pub fn log_with(mut self, log: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static) -> Self {
        self.log = Some(Box::new(log));
        self
    }

    /// Adds an observer that is called once for each error.
    ///
    /// A panic in an observer is a bug and is handled like any other: under
    /// [`HandlerPolicy::Supervise`] the process drains.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident};
    /// use std::sync::mpsc;
    ///
    /// let (sender, reports) = mpsc::channel();
    /// let handler = Handler::new().on_error(move |report| {
    ///     sender.send((report.error.code(), report.decision.as_str())).unwrap();
    /// });
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
    /// let _decision = handler.handle(&AppError::timeout("reading the order"), &incident);
    /// assert_eq!(reports.recv()?, ("timeout", "respond"));
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    pub fn on_error(mut self, observer: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// Records a request that is not a retry. The [retry](Self::retry) budget is a
    /// share of the requests. Does nothing if retries are disabled.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident, RetryPolicy, RetryBudget};
    /// use std::time::Duration;
    ///
    /// let budget = RetryBudget::new().percent(100).per_second(0).burst(1);
    /// let handler = Handler::new().retry(RetryPolicy::new().budget(budget));
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /stock").idempotent();
    /// let is_retried = || handler.handle(&AppError::timeout("the stock"), &incident).is_retry();
    /// assert!(is_retried() && !is_retried());
    /// handler.record_request(Duration::ZERO);
    /// assert!(is_retried());
    /// ```
    pub fn record_request(&self, now: Duration) {
        if let Some(retry) = &self.retry {
            retry.record_request(now);
        }
    }

    /// Logs and counts an error, notifies the observers, and decides what to do.
    ///
    /// If an inner layer has already handled the error, it is not logged, counted,
    /// observed or retried again. Retries in several layers would multiply the load
    /// on a failing dependency.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident};
    ///
    /// let (handler, error) = (Handler::new(), AppError::not_found("There is no such order."));
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
    /// let inner = handler.handle(&error, &incident);
    /// assert_eq!(handler.handle(&error, &incident), inner);
    /// assert_eq!(handler.stats().handled, 1);
    /// ```
    pub fn handle(&self, error: &AppError, incident: &Incident<'_>) -> Decision {
        let is_first = error.mark_handled();
        if error.is_hang_up() {
            return self.handle_hang_up(error, incident, is_first);
        }
        let retry = self.retry.as_ref().filter(|_| is_first);
        let (decision, gave_up) = self.decide(error, incident, retry);
        if !is_first {
            return decision;
        }
        lock(&self.counts).add(error, &decision);
        let report = ErrorReport {
            error,
            incident,
            decision: &decision,
            gave_up,
            is_hang_up: false,
        };
        let notify_result = self.notify(&report);
        self.adjust_for_panic(decision, notify_result, error, incident)
    }

    /// Handles a disconnected client, which only matters for debugging.
    fn handle_hang_up(
        &self,
        error: &AppError,
        incident: &Incident<'_>,
        is_first: bool,
    ) -> Decision {
        let decision = self.respond(error, incident);
        if !is_first {
            return decision;
        }
        lock(&self.counts).add_hang_up();
        let report = ErrorReport {
            error,
            incident,
            decision: &decision,
            gave_up: None,
            is_hang_up: true,
        };
        let log_result = catch_panic(|| self.write_log(&report));
        let log_result = log_result.map_err(|payload| AppError::from_panic(&*payload));
        self.adjust_for_panic(decision, log_result, error, incident)
    }

    /// Adjusts the decision if the log function or an observer panicked. The client
    /// still gets a response.
    fn adjust_for_panic(
        &self,
        decision: Decision,
        notify_result: Result<(), AppError>,
        error: &AppError,
        incident: &Incident<'_>,
    ) -> Decision {
        match notify_result
            .err()
            .map(|panic| self.handle_internal_panic(&panic, incident))
        {
            Some(Decision::Crash) => Decision::Crash,
            Some(Decision::Drain(_)) => match decision {
                Decision::Respond(problem) => Decision::Drain(problem),
                Decision::Retry(_) => Decision::Drain(self.problem(error, incident)),
                fatal => fatal,
            },
            _ => decision,
        }
    }

    /// Returns the counts so far.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident};
    ///
    /// let handler = Handler::new();
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
    /// let _decision = handler.handle(&AppError::timeout("reading the order"), &incident);
    /// assert_eq!((handler.stats().responses, handler.stats().retries), (1, 0));
    /// ```
    pub fn stats(&self) -> HandlerStats {
        lock(&self.counts).stats()
    }

    fn decide(
        &self,
        error: &AppError,
        incident: &Incident<'_>,
        retry: Option<&RetryPolicy>,
    ) -> (Decision, Option<GiveUp>) {
        let mut gave_up = None;
        let decision = match (error.class(), self.policy, retry) {
            (Class::Bug, HandlerPolicy::Crash, _) => Decision::Crash,
            (Class::Bug, HandlerPolicy::Supervise, _) => {
                Decision::Drain(self.problem(error, incident))
            }
            (Class::Operational, _, Some(retry)) => {
                let failed_attempt = FailedAttempt {
                    error,
                    is_idempotent: incident.is_idempotent,
                    attempt: incident.attempt,
                };
                let retry_decision =
                    retry.decide(failed_attempt, incident.now, || jitter(incident));
                gave_up = retry_decision.err();
                retry_decision.map_or_else(|_| self.respond(error, incident), Decision::Retry)
            }
            (Class::Operational, _, None) | (Class::Bug, HandlerPolicy::Swallow, _) => {
                self.respond(error, incident)
            }
        };
        (decision, gave_up)
    }

    fn respond(&self, error: &AppError, incident: &Incident<'_>) -> Decision {
        Decision::Respond(self.problem(error, incident))
    }

    /// Returns the problem for the client, regardless of the decision.
    pub(super) fn problem(&self, error: &AppError, incident: &Incident<'_>) -> Problem {
        let problem = Problem::new(error, &incident.id).with_trace_id(incident.trace_id);
        match &self.type_base {
            None => problem,
            Some(base) => {
                let uri = format!("{base}{}", problem.code());
                problem.with_type_uri(uri)
            }
        }
    }

    /// Calls the log function and all observers, even if one panics. Returns the
    /// first panic.
    fn notify(&self, report: &ErrorReport<'_>) -> Result<(), AppError> {
        let mut notify_result = catch_panic(|| self.write_log(report));
        for observer in &self.observers {
            notify_result = notify_result.and(catch_panic(|| observer(report)));
        }
        notify_result.map_err(|payload| AppError::from_panic(&*payload))
    }

    /// Handles a panic of the log function or an observer, without notifying
    /// observers.
    fn handle_internal_panic(&self, panic: &AppError, incident: &Incident<'_>) -> Decision {
        let (decision, _) = self.decide(panic, incident, None);
        lock(&self.counts).add(panic, &decision);
        let report = ErrorReport {
            error: panic,
            incident,
            decision: &decision,
            gave_up: None,
            is_hang_up: false,
        };
        // The log function itself may have panicked.
        let _ignored = catch_panic(|| self.write_log(&report));
        decision
    }

    fn write_log(&self, report: &ErrorReport<'_>) {
        let level = report.level();
        match &self.log {
            Some(log) => log(report),
            None if log::log_enabled!(target: LOG_TARGET, level) => {
                log::log!(target: LOG_TARGET, level, "{}", log_format::format(report));
            }
            None => {}
        }
    }
}

impl Default for Handler {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Handler {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handler")
            .field("policy", &self.policy)
            .field("retry", &self.retry)
            .field("stats", &self.stats())
            .finish_non_exhaustive()
    }
}

impl ErrorReport<'_> {
    /// Returns the log level: `Error` for bugs, `Warn` for other server errors,
    /// `Info` for client errors, and `Debug` for errors that are retried and for
    /// disconnected clients.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident};
    /// use std::sync::mpsc;
    ///
    /// let (sender, reports) = mpsc::channel();
    /// let handler = Handler::new().on_error(move |report| sender.send(report.level()).unwrap());
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
    /// let _decision = handler.handle(&AppError::timeout("the stock"), &incident);
    /// assert_eq!(reports.recv().unwrap(), log::Level::Warn);
    /// ```
    pub fn level(&self) -> Level {
        match self.error {
            _ if self.is_hang_up => Level::Debug,
            error if error.is_bug() => Level::Error,
            _ if self.decision.is_retry() => Level::Debug,
            error if error.status() >= 500 => Level::Warn,
            _ => Level::Info,
        }
    }

    /// Formats the log line that [`log_to`](Handler::log_to) passes on.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, IdGenerator, Incident};
    /// use std::sync::mpsc;
    ///
    /// let (sender, reports) = mpsc::channel();
    /// let handler = Handler::new().on_error(move |report| sender.send(report.line()).unwrap());
    /// let incident = Incident::new(IdGenerator::new(7).generate(), "GET /orders/42");
    /// let _decision = handler.handle(&AppError::timeout("the stock"), &incident);
    /// assert!(reports.recv().unwrap().contains(" code=timeout status=504 "));
    /// ```
    pub fn line(&self) -> String {
        log_format::format(self)
    }
}

/// Derives a deterministic pseudo-random number from the incident.
fn jitter(incident: &Incident<'_>) -> u64 {
    let id = incident.id.as_str().bytes();
    let id = id.fold(0, |sum, byte| mix(sum ^ u64::from(byte)));
    mix(id ^ u64::from(incident.attempt))
}
