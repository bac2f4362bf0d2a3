//! Errors: one taxonomy, one handler, and bugs that are allowed to crash.
//!
//! ```text
//!   io::Error ───┐                            ┌─▶ Respond   the world's fault: answer, go on
//!   your enum ───┼─ ? ─▶ AppError ─▶ Handler ─┼─▶ Retry     it may pass: do it again, later
//!   a panic ─────┘                  │         └─▶ Drain     a bug: answer, end, be replaced
//!                                   └─▶ one line in the log, one count
//! ```
//!
//! An [`AppError`] knows whose fault it is, what the client may know and what the
//! operator has to. What is [`Classify`] becomes one by `?`. The [`Handler`] is the
//! one place that all of them come to: it logs and counts each once and decides.
//! What the client gets is a [`Problem`]; its [`CorrelationId`] is in the log too.
//! [`RetryPolicy`], its [`RetryBudget`] and the [`Breaker`] keep an error from becoming
//! an outage. None of this knows an async runtime, a clock, a random source or a
//! web framework.
#![cfg_attr(
    feature = "tower",
    doc = "\nAround a service of `tower`, and so around a server of axum or hyper, all of it is one layer: [`http`]."
)]
//!
//! ```
//! use highwater::error::{AppError, Decision, Handler, Ids, Incident, ErrorKind, ResultExt};
//!
//! fn quantity(query: &str) -> Result<u32, AppError> {
//!     let quantity = query.parse().classified(ErrorKind::InvalidInput).context("query", query)?;
//!     if quantity == 0 {
//!         return Err(AppError::invalid_input("The order is not valid.")
//!             .with_field("quantity", "has to be at least 1"));
//!     }
//!     Ok(quantity)
//! }
//!
//! let (handler, ids) = (Handler::new(), Ids::new(7));
//! let serve = |query: &str| match quantity(query) {
//!     Ok(quantity) => format!("{quantity} ordered"),
//!     Err(error) => match handler.handle(&error, &Incident::new(ids.make(), "POST /orders")) {
//!         Decision::Respond(problem) => problem.to_json(),
//!         other => unreachable!("no bug, and no retry was asked for: {other:?}"),
//!     },
//! };
//! assert_eq!(serve("3"), "3 ordered");
//! assert!(serve("0").contains(r#""field":"quantity""#));
//! assert!(!serve("three").contains("invalid digit"), "that is for the log");
//! assert_eq!(handler.stats().codes, [("invalid_input", 2)]);
//! ```
//!
//! # The rules, and where they come from
//!
//! - **An error is operational or a bug**, and that decides what becomes of it. An
//!   operational one is what a correct program has to expect, and is handled; of a
//!   bug nobody knows what it left behind, so the program stops and is started
//!   again. This is how Joyent's guide "Error Handling in Node.js" puts it. A panic
//!   is a bug, an `Err` is not, unless it says so.
//! - **Nothing is classified by accident.** There is no conversion from any error
//!   at all: it says what it is, or [somebody does](ResultExt::classified) where it
//!   comes up. What the system answers is never proof of a bug, nor that the client
//!   is to blame.
//! - **The client is told what is meant for it**, in the form of RFC 9457. Of what
//!   is not its fault it learns that, and when to come back; of a bug only that
//!   there was one. The detail, context and sources of an error, and where it was
//!   raised, are for the log alone.
//! - **Each error is logged and counted once**, in one line that no text can break,
//!   with the id that the response has.
//! - **Only what is worth it is retried**: what may pass, and does no harm if it is
//!   done twice. The waits grow, and are spread over the whole time ("full jitter",
//!   as the Builders' Library of AWS advises), as those that failed together would
//!   come back together. They are no shorter than the error asks for, which is
//!   what `Retry-After` of RFC 9110 is for.
//! - **Retries have a budget**: a share of the requests and a few a second, as in
//!   Finagle. What is down is not buried under three times its load.
//! - **What is down is left alone**: the breaker of Michael Nygard's "Release It!"
//!   fails calls at once, and lets through a few to see whether it is back.
//! - **The handler gets by with errors that are wrong themselves.** A text that
//!   panics while it is made, or has no end; sources that go round in a circle; line
//!   breaks, control characters and what reverses the reading direction.
//!
//! # Doing it again
//!
//! [`RetryPolicy::run`] makes the attempts, and [`Breaker::call`] keeps a
//! dependency that is down from being called. The caller passes its clock and its
//! runtime's sleep. Both are shared by reference, and their futures are `Send`:
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
//! An open breaker ends the run at once: it says that a retry would fail too. A
//! loop of one's own uses [`RetryPolicy::decide`], [`Breaker::admit`] and
//! [`Breaker::record`].
//!
//! # Coming from Node
//!
//! | Node | here | why |
//! |---|---|---|
//! | `isOperational`, by convention, on some errors | [`Class`], of every error | nobody forgets it |
//! | whatever is thrown is caught alike | a `Result` is expected, a panic is a bug | the type tells |
//! | `error.message` often goes to the client | [`public_message`](AppError::public_message), apart from [`detail`](AppError::detail) | what is written for one reader is wrong for the other |
//! | `uncaughtException` may log and go on | [`HandlerPolicy::Supervise`]: answer, drain, be replaced | its state is unknown |
//! | `error.code`, of any form | [`code`](AppError::code), stable, in `snake_case` | programs rely on it |
//! | `cause` | [`with_source`](AppError::with_source), and [`with_context`](AppError::with_context) for values | a log that is searched needs values |

mod app_error;
mod breaker;
mod budget;
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
pub(crate) mod text;

pub use app_error::AppError;
pub use breaker::{Breaker, BreakerOpen, BreakerState, Permit};
pub use budget::RetryBudget;
pub use chain::Chain;
pub use class::Class;
pub use classification::{Classification, Classify, FieldError};
pub use correlation::{CorrelationId, Ids, InvalidId};
pub use handler::{Handler, HandlerPolicy, HandlerStats};
pub use incident::{Decision, ErrorReport, Incident};
pub use kind::ErrorKind;
pub use problem::Problem;
pub use result_ext::ResultExt;
pub use retry::{FailedAttempt, GiveUp, RetryPolicy};
