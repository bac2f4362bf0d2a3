//! How a handler is made.

use super::{Counts, Handler, Policy};
use crate::{
    error::{Report, RetryPolicy},
    sync::Mutex,
};
use log::Level;
use std::borrow::Cow;

impl Handler {
    /// One that supervises, writes with the `log` crate and retries nothing.
    ///
    /// ```
    /// # use highwater::error::{AppError, Handler, Ids, Incident};
    /// let incident = Incident::new(Ids::new(7).make(), "GET /stock").idempotent();
    /// let decision = Handler::new().handle(&AppError::timeout("reading the stock"), &incident);
    /// assert_eq!(decision.as_str(), "respond");
    /// ```
    pub fn new() -> Self {
        Handler {
            policy: Policy::default(),
            types: None,
            log: None,
            observers: Vec::new(),
            retry: None,
            counts: Mutex::new(Counts::default()),
        }
    }

    /// What is done about a bug.
    ///
    /// ```
    /// # use highwater::error::{AppError, Decision, Handler, Ids, Incident, Policy};
    /// let incident = Incident::new(Ids::new(7).make(), "GET /stock");
    /// let handler = Handler::new().policy(Policy::Crash);
    /// assert_eq!(handler.handle(&AppError::bug("no cart"), &incident), Decision::Crash);
    /// ```
    #[must_use]
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// Retry what is worth it. The handler then has to be told of each
    /// [request](Self::request), and each incident [when](crate::error::Incident::at) it was.
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
    /// handler.request(incident.now);
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
    pub fn log_with(mut self, log: impl Fn(&Report<'_>) + Send + Sync + 'static) -> Self {
        self.log = Some(Box::new(log));
        self
    }

    /// Also tells this function of each error, once. It can be called more than
    /// once.
    ///
    /// One that panics has a bug, which is handled like any other: under
    /// [`Policy::Supervise`] the process drains.
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
    pub fn on_error(mut self, observer: impl Fn(&Report<'_>) + Send + Sync + 'static) -> Self {
        self.observers.push(Box::new(observer));
        self
    }
}

impl Default for Handler {
    fn default() -> Self {
        Self::new()
    }
}
