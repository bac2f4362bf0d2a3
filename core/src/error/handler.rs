//! The one place where errors are handled.

mod log_line;
mod stats;

pub use stats::HandlerStats;

use super::{
    AppError, Class, Decision, ErrorReport, FailedAttempt, GiveUp, Incident, Problem, RetryPolicy,
    correlation::mix, text::guarded,
};
use crate::sync::{Mutex, lock};
use log::Level;
use stats::HandlerCounts;
use std::{borrow::Cow, fmt, time::Duration};

/// What is done about a bug.
///
/// ```
/// use highwater::error::{AppError, Handler, Ids, Incident, HandlerPolicy};
///
/// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
/// let decided = |policy| {
///     let handler = Handler::new().policy(policy);
///     handler.handle(&AppError::bug("it"), &incident).as_str()
/// };
/// assert_eq!(decided(HandlerPolicy::Supervise), "drain");
/// assert_eq!(decided(HandlerPolicy::Crash), "crash");
/// assert_eq!(decided(HandlerPolicy::Swallow), "respond");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum HandlerPolicy {
    /// Answer, take no more work, let finish what is under way, end, and be
    /// replaced by a supervisor.
    #[default]
    Supervise,
    /// End at once. What is under way is lost.
    Crash,
    /// Answer and go on, in whatever state the bug has left behind. It is here to
    /// show what becomes of it: wrong answers.
    Swallow,
}

/// The one place that all errors come to. It logs and counts each once, tells
/// those who observe, and [decides](Decision) what is done.
///
/// | error | [`Supervise`](HandlerPolicy::Supervise) | [`Crash`](HandlerPolicy::Crash) | [`Swallow`](HandlerPolicy::Swallow) |
/// |---|---|---|---|
/// | operational, and worth a [`RetryPolicy`] | `Retry` | `Retry` | `Retry` |
/// | operational otherwise | `Respond` | `Respond` | `Respond` |
/// | a bug | `Drain` | `Crash` | `Respond` |
///
/// That a [client is gone](super::ErrorKind::ClientGone) is no error: it is counted
/// [apart](HandlerStats::hung_up), logged at debug, and not observed.
///
/// The decision is only made here: to sleep, to answer and to end is for those
/// who know how, such as a server.
///
/// It gets by with all that is wrong with an error: a text that panics when it is
/// made, sources that go round in a circle, line breaks and control characters,
/// texts of any length.
///
/// ```
/// use highwater::error::{AppError, Decision, Handler, Ids, Incident};
///
/// let ids = Ids::new(7);
/// let handler = Handler::new();
///
/// let incident = Incident::new(ids.make(), "GET /orders/42");
/// let error = AppError::not_found("There is no such order.");
/// let Decision::Respond(problem) = handler.handle(&error, &incident) else {
///     panic!("nothing is wrong with us");
/// };
/// assert_eq!((problem.status(), problem.id()), (404, &incident.id));
///
/// let incident = Incident::new(ids.make(), "GET /orders/43");
/// let bug = AppError::bug("an order without a customer");
/// assert!(handler.handle(&bug, &incident).is_fatal());
/// assert_eq!(handler.stats().bugs, 1);
/// ```
pub struct Handler {
    policy: HandlerPolicy,
    types: Option<Cow<'static, str>>,
    log: Option<Box<Log>>,
    observers: Vec<Box<Observer>>,
    retry: Option<RetryPolicy>,
    counts: Mutex<HandlerCounts>,
}

type Log = dyn Fn(&ErrorReport<'_>) + Send + Sync;
type Observer = dyn Fn(&ErrorReport<'_>) + Send + Sync;

/// Of the records it writes with the `log` crate.
const LOG_TARGET: &str = "highwater::error";

impl Handler {
    /// One that supervises, writes with the `log` crate and retries nothing.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident};
    ///
    /// let incident = Incident::new(Ids::new(7).make(), "GET /stock").idempotent();
    /// let decision = Handler::new().handle(&AppError::timeout("reading the stock"), &incident);
    /// assert_eq!(decision.as_str(), "respond");
    /// ```
    pub fn new() -> Self {
        Handler {
            policy: HandlerPolicy::default(),
            types: None,
            log: None,
            observers: Vec::new(),
            retry: None,
            counts: Mutex::new(HandlerCounts::default()),
        }
    }

    /// What is done about a bug.
    ///
    /// ```
    /// use highwater::error::{AppError, Decision, Handler, Ids, Incident, HandlerPolicy};
    ///
    /// let incident = Incident::new(Ids::new(7).make(), "GET /stock");
    /// let handler = Handler::new().policy(HandlerPolicy::Crash);
    /// assert_eq!(handler.handle(&AppError::bug("no cart"), &incident), Decision::Crash);
    /// ```
    #[must_use]
    pub fn policy(mut self, policy: HandlerPolicy) -> Self {
        self.policy = policy;
        self
    }

    /// Retry what is worth it. The handler then has to be told of each
    /// [request](Self::record_request), and each incident [when](crate::error::Incident::at) it was.
    ///
    /// The jitter is drawn from the id and the attempt, so that a simulated run
    /// can be repeated.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident, RetryPolicy};
    /// use std::time::Duration;
    ///
    /// let handler = Handler::new().retry(RetryPolicy::new());
    /// let incident = Incident::new(Ids::new(7).make(), "GET /stock")
    ///     .idempotent()
    ///     .at(Duration::from_secs(1));
    /// handler.record_request(incident.now);
    /// let error = AppError::timeout("reading the stock");
    /// assert!(handler.handle(&error, &incident).is_retry());
    ///
    /// let error = AppError::timeout("reading the stock");
    /// let third = incident.attempt(3);
    /// assert!(!handler.handle(&error, &third).is_retry(), "it is enough");
    /// ```
    #[must_use]
    pub fn retry(mut self, retry: RetryPolicy) -> Self {
        self.retry = Some(retry);
        self
    }

    /// Where people can read what a problem means: its type is this and its code.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident};
    ///
    /// let handler = Handler::new().problem_types("https://example.com/problems/");
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
    /// let decision = handler.handle(&AppError::not_found("There is no such order."), &incident);
    /// let problem = decision.problem().unwrap();
    /// assert_eq!(problem.type_uri(), "https://example.com/problems/not_found");
    /// ```
    #[must_use]
    pub fn problem_types(mut self, base: impl Into<Cow<'static, str>>) -> Self {
        self.types = Some(base.into());
        self
    }

    /// Takes the lines of the log, instead of the `log` crate: one for each
    /// error, without a line break in it.
    ///
    /// A bug is logged at the level `Error`, what is otherwise not the client's
    /// fault at `Warn`, the client's at `Info`. What is retried is not over yet
    /// and logged at `Debug`, as are clients that are gone.
    ///
    /// A line is cut at three kilobytes, each value at one, and the operation, which
    /// has in it what a client sent, at a quarter of one: so a line with a prefix is
    /// written whole to a pipe that several processes share.
    ///
    /// A line is made of `key=value`, in quotes if there is need. Context of which
    /// the key is no word, or one of the line's own, is written as
    /// `context=key value=value`: each line has one `id`.
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
    #[must_use]
    pub fn log_to(self, log: impl Fn(Level, &str) + Send + Sync + 'static) -> Self {
        self.log_with(move |report| log(report.level(), &report.line()))
    }

    /// Hands each error to this function, instead of the `log` crate, before its
    /// line is made: a log that leaves out what is repeated saves that.
    ///
    /// A later one replaces an earlier one, and that of [`log_to`](Self::log_to).
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident};
    /// use std::sync::mpsc;
    ///
    /// let (write, lines) = mpsc::channel();
    /// let handler = Handler::new().log_with(move |report| {
    ///     if report.level() <= log::Level::Warn {
    ///         write.send(report.line()).unwrap();
    ///     }
    /// });
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
    /// let _answer = handler.handle(&AppError::not_found("There is no such order."), &incident);
    /// let _answer = handler.handle(&AppError::unavailable("stripe"), &incident);
    /// assert!(lines.recv()?.contains(" code=unavailable "));
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[must_use]
    pub fn log_with(mut self, log: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static) -> Self {
        self.log = Some(Box::new(log));
        self
    }

    /// Also tells this function of each error, once. It can be called more than
    /// once.
    ///
    /// One that panics has a bug, which is handled like any other: under
    /// [`HandlerPolicy::Supervise`] the process drains.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident};
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let handler = Handler::new().on_error(move |report| {
    ///     tell.send((report.error.code(), report.decision.as_str())).unwrap();
    /// });
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
    /// let _decision = handler.handle(&AppError::timeout("reading the order"), &incident);
    /// assert_eq!(told.recv()?, ("timeout", "respond"));
    /// # Ok::<(), mpsc::RecvError>(())
    /// ```
    #[must_use]
    pub fn on_error(mut self, observer: impl Fn(&ErrorReport<'_>) + Send + Sync + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }

    /// To be told of each request, retries aside, if it [retries](Self::retry): a
    /// share of them is what there may be of retries. Otherwise it does nothing.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident, RetryPolicy, RetryBudget};
    /// use std::time::Duration;
    ///
    /// let budget = RetryBudget::new().percent(100).per_second(0).burst(1);
    /// let handler = Handler::new().retry(RetryPolicy::new().budget(budget));
    /// let incident = Incident::new(Ids::new(7).make(), "GET /stock").idempotent();
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

    /// Logs and counts an error, tells those who observe, and decides what is
    /// done.
    ///
    /// An error that was handled before, in an inner layer, is decided again but
    /// neither logged nor counted nor observed. Nor is it retried again: layers
    /// that each retry multiply the load on what is down.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident};
    ///
    /// let (handler, error) = (Handler::new(), AppError::not_found("There is no such order."));
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
    /// let inner = handler.handle(&error, &incident);
    /// assert_eq!(handler.handle(&error, &incident), inner);
    /// assert_eq!(handler.stats().handled, 1);
    /// ```
    pub fn handle(&self, error: &AppError, incident: &Incident<'_>) -> Decision {
        let is_first = error.is_first_handled();
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
        let told = self.tell(&report);
        self.with_own(decision, told, error, incident)
    }

    /// The client is gone: nothing of it is for anybody but who debugs.
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
        let written = guarded(|| self.write(&report));
        let written = written.map_err(|payload| AppError::from_panic(&*payload));
        self.with_own(decision, written, error, incident)
    }

    /// What is decided if the log or an observer panicked. Of a bug in here the
    /// request knows nothing: it is still answered.
    fn with_own(
        &self,
        decision: Decision,
        told: Result<(), AppError>,
        error: &AppError,
        incident: &Incident<'_>,
    ) -> Decision {
        match told.err().map(|panic| self.handle_own(&panic, incident)) {
            Some(Decision::Crash) => Decision::Crash,
            Some(Decision::Drain(_)) => match decision {
                Decision::Respond(problem) => Decision::Drain(problem),
                Decision::Retry(_) => Decision::Drain(self.problem(error, incident)),
                fatal => fatal,
            },
            _ => decision,
        }
    }

    /// What was handled so far.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident};
    ///
    /// let handler = Handler::new();
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
    /// let _answer = handler.handle(&AppError::timeout("reading the order"), &incident);
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
            (Class::Programmer, HandlerPolicy::Crash, _) => Decision::Crash,
            (Class::Programmer, HandlerPolicy::Supervise, _) => {
                Decision::Drain(self.problem(error, incident))
            }
            (Class::Operational, _, Some(retry)) => {
                let failed = FailedAttempt {
                    error,
                    is_idempotent: incident.is_idempotent,
                    attempt: incident.attempt,
                };
                let answer = retry.decide(failed, incident.now, || jitter(incident));
                gave_up = answer.err();
                answer.map_or_else(|_| self.respond(error, incident), Decision::Retry)
            }
            (Class::Operational, _, None) | (Class::Programmer, HandlerPolicy::Swallow, _) => {
                self.respond(error, incident)
            }
        };
        (decision, gave_up)
    }

    fn respond(&self, error: &AppError, incident: &Incident<'_>) -> Decision {
        Decision::Respond(self.problem(error, incident))
    }

    /// What the client is told, whatever is decided.
    pub(super) fn problem(&self, error: &AppError, incident: &Incident<'_>) -> Problem {
        let problem = Problem::new(error, &incident.id);
        match &self.types {
            None => problem,
            Some(base) => {
                let uri = format!("{base}{}", problem.code());
                problem.with_type(uri)
            }
        }
    }

    /// Everybody is told, even if one panics; the first panic is returned.
    fn tell(&self, report: &ErrorReport<'_>) -> Result<(), AppError> {
        let mut told = guarded(|| self.write(report));
        for observer in &self.observers {
            told = told.and(guarded(|| observer(report)));
        }
        told.map_err(|payload| AppError::from_panic(&*payload))
    }

    /// A panic of a log or of an observer. They are not told of it.
    fn handle_own(&self, panic: &AppError, incident: &Incident<'_>) -> Decision {
        let (decision, _) = self.decide(panic, incident, None);
        lock(&self.counts).add(panic, &decision);
        let report = ErrorReport {
            error: panic,
            incident,
            decision: &decision,
            gave_up: None,
            is_hang_up: false,
        };
        // The log may be what panicked, and would again.
        let _in_vain = guarded(|| self.write(&report));
        decision
    }

    fn write(&self, report: &ErrorReport<'_>) {
        let level = report.level();
        match &self.log {
            Some(log) => log(report),
            None if log::log_enabled!(target: LOG_TARGET, level) => {
                log::log!(target: LOG_TARGET, level, "{}", log_line::format(report));
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
    /// Returns the level at which the error is logged: `Error` for a bug, `Warn` for
    /// what is otherwise not the client's fault, `Info` for the client's, and `Debug`
    /// for what is retried and for clients that are gone.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident};
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let handler = Handler::new().on_error(move |report| tell.send(report.level()).unwrap());
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
    /// let _answer = handler.handle(&AppError::timeout("the stock"), &incident);
    /// assert_eq!(told.recv().unwrap(), log::Level::Warn);
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

    /// Writes the line of the log, as [`log_to`](Handler::log_to) gets it.
    ///
    /// ```
    /// use highwater::error::{AppError, Handler, Ids, Incident};
    /// use std::sync::mpsc;
    ///
    /// let (tell, told) = mpsc::channel();
    /// let handler = Handler::new().on_error(move |report| tell.send(report.line()).unwrap());
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
    /// let _answer = handler.handle(&AppError::timeout("the stock"), &incident);
    /// assert!(told.recv().unwrap().contains(" code=timeout status=504 "));
    /// ```
    pub fn line(&self) -> String {
        log_line::format(self)
    }
}

/// A number that looks random and can be told again from the incident.
fn jitter(incident: &Incident<'_>) -> u64 {
    let id = incident.id.as_str().bytes();
    let id = id.fold(0, |sum, byte| mix(sum ^ u64::from(byte)));
    mix(id ^ u64::from(incident.attempt))
}
