//! Error handling: one error type, one handler, and a process restart after a bug.
//!
//! ```text
//!   io::Error ───┐                            ┌─▶ Respond   operational: respond, continue
//!   your enum ───┼─ ? ─▶ AppError ─▶ Handler ─┼─▶ Retry     transient: run it again later
//!   a panic ─────┘                  │         └─▶ Drain     a bug: respond, drain, exit
//!                                   └─▶ one line in the log, one count
//! ```
//!
//! An [`AppError`] carries its class, a public message for the client and details for
//! the operator. Any type that implements [`Classify`] converts to it with `?`. The
//! [`Handler`] receives every error that ends a request: it logs and counts each one
//! once and decides what to do. Errors of attempts that [`RetryPolicy::run`] retries
//! are dropped. The client gets a [`Problem`], whose [`CorrelationId`] is in the log entry
//! too. [`RetryPolicy`], [`RetryBudget`] and [`Breaker`] keep an error from becoming
//! an outage. Nothing here depends on an async runtime, a system clock, a random
//! source or a web framework.
#![cfg_attr(
    feature = "tower",
    doc = "\nFor `tower` services, including axum and hyper servers, all of this is available as one layer: [`http`]."
)]
//!
//! ```
//! use highwater::error::{AppError, Decision, Handler, IdGenerator, Incident, ErrorKind, ResultExt};
//! use std::hash::{BuildHasher, Hasher, RandomState};
//!
//! fn quantity(query: &str) -> Result<u32, AppError> {
//!     let quantity = query.parse().classified(ErrorKind::InvalidInput).context("query", query)?;
//!     if quantity == 0 {
//!         return Err(AppError::invalid_input("The order is not valid.")
//!             .with_field("quantity", "must be at least 1"));
//!     }
//!     Ok(quantity)
//! }
//!
//! // A fixed seed would generate the same ids in every process.
//! let seed = RandomState::new().build_hasher().finish();
//! let (handler, ids) = (Handler::new(), IdGenerator::new(seed));
//! let serve = |query: &str| match quantity(query) {
//!     Ok(quantity) => format!("{quantity} ordered"),
//!     Err(error) => match handler.handle(&error, &Incident::new(ids.generate(), "POST /orders")) {
//!         Decision::Respond(problem) => problem.to_json(),
//!         other => unreachable!("neither a bug nor a retry: {other:?}"),
//!     },
//! };
//! assert_eq!(serve("3"), "3 ordered");
//! assert!(serve("0").contains(r#""field":"quantity""#));
//! assert!(!serve("three").contains("invalid digit"), "the source is only logged");
//! assert_eq!(handler.stats().codes, [("invalid_input", 2)]);
//! ```
//!
//! # Design rules and their sources
//!
//! - **An error is either operational or a bug.** A correct program has to expect
//!   operational errors and handles them. After a bug the state of the program is
//!   unknown, so it stops and is restarted. The distinction is that of Joyent's guide
//!   "Error Handling in Node.js". A panic is a bug; an `Err` is a bug only if it is
//!   classified as one.
//! - **Nothing is classified by accident.** There is no conversion from arbitrary
//!   errors: an error either implements [`Classify`] or is
//!   [classified](ResultExt::classified) where it occurs. An operating system error
//!   is never treated as a bug or as a client error.
//! - **The client sees only public data**, in the format of RFC 9457. The response to
//!   a server error says only that the server failed and when to retry. The response
//!   to a bug is always the same generic message. The detail, context, sources and
//!   location of an error are only logged.
//! - **Each error is logged and counted once**, on a single line, with the
//!   correlation id of the response.
//! - **Only transient errors of idempotent operations are retried.** Waits use
//!   exponential backoff with "full jitter", as recommended by the Amazon Builders'
//!   Library, so that clients that failed together do not retry together. No wait is
//!   shorter than the error's `Retry-After` (RFC 9110).
//! - **Retries have a budget**: a share of the requests plus a few per second, as in
//!   Finagle. Retries cannot triple the load on a failing dependency.
//! - **A failing dependency gets time to recover**: a circuit breaker, as described
//!   in Michael Nygard's "Release It!", rejects calls immediately and admits a few
//!   trial calls to detect recovery.
//! - **The handler tolerates broken errors**: a `Display` that panics or never
//!   returns, cyclic sources, line breaks, control characters and bidirectional
//!   overrides.
//!
//! # Retries
//!
//! [`RetryPolicy::run`] retries an operation, and [`Breaker::call`] protects a
//! failing dependency from further calls. The caller passes a clock and its runtime's
//! sleep function; with tokio, `highwater::tokio::TokioClock` and `tokio::time::sleep`.
//! Both types are shared by reference, and their futures are `Send`:
//!
//! ```
//! use highwater::error::{AppError, Breaker, RetryPolicy};
//! use std::time::{Duration, Instant};
//!
//! struct Stock {
//!     start: Instant,
//!     retry: RetryPolicy,
//!     breaker: Breaker,
//! }
//!
//! impl Stock {
//!     async fn level(&self, id: u64) -> Result<u32, AppError> {
//!         let clock = || self.start.elapsed();
//!         let request = || self.breaker.call(&clock, || request_level(id));
//!         self.retry.run(&clock, sleep, request).await
//!     }
//! }
//!
//! # async fn sleep(_: Duration) {}
//! # async fn request_level(_: u64) -> Result<u32, AppError> { Ok(7) }
//! let stock = Stock {
//!     start: Instant::now(),
//!     retry: RetryPolicy::new(),
//!     breaker: Breaker::new("stock"),
//! };
//! assert_eq!(futures::executor::block_on(stock.level(1))?, 7);
//! # Ok::<(), AppError>(())
//! ```
//!
//! Once the breaker is open, the retries end with the error of the last attempt that
//! reached the dependency, because further ones would be rejected. To write your own
//! loop, use [`RetryPolicy::decide`], [`Breaker::admit`] and [`Breaker::record`].
//!
//! # Coming from Node
//!
//! | Node | here | why |
//! |---|---|---|
//! | `isOperational`, by convention, on some errors | every error has a [`Class`] | it cannot be forgotten |
//! | `catch` catches expected errors and bugs | a `Result` carries expected errors, a panic is a bug | the type distinguishes them |
//! | `error.message` often reaches the client | [`public_message`](AppError::public_message) is separate from [`detail`](AppError::detail) | clients and operators need different texts |
//! | `uncaughtException` may log and continue | [`HandlerPolicy::Supervise`]: respond, drain, exit | the state is unknown |
//! | `error.code` in any format | [`code`](AppError::code), stable, in `snake_case` | programs rely on it |
//! | `cause` | [`with_source`](AppError::with_source), and [`with_context`](AppError::with_context) for values | values make a log searchable |

mod app_error;
mod breaker;
mod budget;
pub(crate) mod causes;
mod chain;
mod class;
mod classification;
mod correlation;
mod handler;
#[cfg(feature = "tower")]
pub mod http;
mod incident;
mod kind;
mod known;
mod listeners;
mod problem;
mod result_ext;
mod retry;
mod text;
#[cfg(feature = "tokio")]
mod tokio_errors;
mod trace_id;

pub use app_error::AppError;
pub use breaker::{Breaker, BreakerOpen, BreakerState, Permit};
pub use budget::RetryBudget;
pub use chain::Chain;
pub use class::Class;
pub use classification::{Classification, Classify, FieldError};
pub use correlation::{CorrelationId, IdGenerator, InvalidId};
pub use handler::{Handler, HandlerPolicy, HandlerStats};
pub use incident::{Decision, ErrorReport, Incident};
pub use kind::ErrorKind;
pub use problem::Problem;
pub use result_ext::ResultExt;
pub use retry::{FailedAttempt, GiveUp, RetryPolicy};
pub use trace_id::TraceId;
