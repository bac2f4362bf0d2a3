//! The one place where errors are handled.

mod build;
mod counts;
mod line;

pub use counts::HandlerStats;

use super::{
    AppError, Class, Decision, FailedAttempt, GiveUp, Incident, Problem, Report, RetryPolicy,
    correlation::mix, text::guarded,
};
use crate::sync::{Mutex, lock};
use counts::Counts;
use log::Level;
use std::{borrow::Cow, fmt, time::Duration};

/// What is done about a bug.
///
/// ```
/// use highwater::error::{AppError, Handler, Ids, Incident, Policy};
///
/// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
/// let decided = |policy| {
///     let handler = Handler::new().policy(policy);
///     handler.handle(&AppError::bug("it"), &incident).as_str()
/// };
/// assert_eq!(decided(Policy::Supervise), "drain");
/// assert_eq!(decided(Policy::Crash), "crash");
/// assert_eq!(decided(Policy::Swallow), "respond");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Policy {
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
/// | error | [`Supervise`](Policy::Supervise) | [`Crash`](Policy::Crash) | [`Swallow`](Policy::Swallow) |
/// |---|---|---|---|
/// | operational, and worth a [`RetryPolicy`] | `Retry` | `Retry` | `Retry` |
/// | operational otherwise | `Respond` | `Respond` | `Respond` |
/// | a bug | `Drain` | `Crash` | `Respond` |
///
/// That a [client is gone](super::Kind::ClientGone) is no error: it is counted
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
    policy: Policy,
    types: Option<Cow<'static, str>>,
    log: Option<Box<Log>>,
    observers: Vec<Box<Observer>>,
    retry: Option<RetryPolicy>,
    counts: Mutex<Counts>,
}

type Log = dyn Fn(&Report<'_>) + Send + Sync;
type Observer = dyn Fn(&Report<'_>) + Send + Sync;

/// Of the records it writes with the `log` crate.
const LOG_TARGET: &str = "highwater::error";

impl Handler {
    /// To be told of each request, retries aside, if it [retries](Self::retry): a
    /// share of them is what there may be of retries. Otherwise it does nothing.
    ///
    /// ```
    /// # use highwater::error::{AppError, Handler, Ids, Incident, RetryPolicy, RetryBudget};
    /// # use std::time::Duration;
    /// let budget = RetryBudget::new().percent(100).per_second(0).burst(1);
    /// let handler = Handler::new().retry(RetryPolicy::new().budget(budget));
    /// let incident = Incident::new(Ids::new(7).make(), "GET /stock").idempotent();
    /// let is_retried = || handler.handle(&AppError::timeout("the stock"), &incident).is_retry();
    /// assert!(is_retried() && !is_retried());
    /// handler.request(Duration::ZERO);
    /// assert!(is_retried());
    /// ```
    pub fn request(&self, now: Duration) {
        if let Some(retry) = &self.retry {
            retry.request(now);
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
    /// # use highwater::error::{AppError, Handler, Ids, Incident};
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
        let report = Report {
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
        let report = Report {
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
    /// # use highwater::error::{AppError, Handler, Ids, Incident};
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
            (Class::Programmer, Policy::Crash, _) => Decision::Crash,
            (Class::Programmer, Policy::Supervise, _) => {
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
            (Class::Operational, _, None) | (Class::Programmer, Policy::Swallow, _) => {
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
    fn tell(&self, report: &Report<'_>) -> Result<(), AppError> {
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
        let report = Report {
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

    fn write(&self, report: &Report<'_>) {
        let level = report.level();
        match &self.log {
            Some(log) => log(report),
            None if log::log_enabled!(target: LOG_TARGET, level) => {
                log::log!(target: LOG_TARGET, level, "{}", line::line(report));
            }
            None => {}
        }
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

impl Report<'_> {
    /// Returns the level at which the error is logged: `Error` for a bug, `Warn` for
    /// what is otherwise not the client's fault, `Info` for the client's, and `Debug`
    /// for what is retried and for clients that are gone.
    ///
    /// ```
    /// # use highwater::error::{AppError, Handler, Ids, Incident};
    /// # use std::sync::mpsc;
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
    /// # use highwater::error::{AppError, Handler, Ids, Incident};
    /// # use std::sync::mpsc;
    /// let (tell, told) = mpsc::channel();
    /// let handler = Handler::new().on_error(move |report| tell.send(report.line()).unwrap());
    /// let incident = Incident::new(Ids::new(7).make(), "GET /orders/42");
    /// let _answer = handler.handle(&AppError::timeout("the stock"), &incident);
    /// assert!(told.recv().unwrap().contains(" code=timeout status=504 "));
    /// ```
    pub fn line(&self) -> String {
        line::line(self)
    }
}

/// A number that looks random and can be told again from the incident.
fn jitter(incident: &Incident<'_>) -> u64 {
    let id = incident.id.as_str().bytes();
    let id = id.fold(0, |sum, byte| mix(sum ^ u64::from(byte)));
    mix(id ^ u64::from(incident.attempt))
}
