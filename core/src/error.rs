//! Errors: one taxonomy, one handler, and bugs that are allowed to crash.
//!
//! ```text
//!  io::Error ──┐               ┌─ Respond(Problem)   4xx, 5xx: go on
//!  your enum ──┼─?─▶ AppError ─▶ Handler ─┼─ Retry(after)       worth it, idempotent, in budget
//!  a panic ────┘               │          └─ Drain(Problem)     a bug: end, be replaced
//! ```

mod app_error;
mod breaker;
mod budget;
mod chain;
mod class;
mod classification;
mod classify;
mod correlation;
mod handler;
#[cfg(feature = "tower")]
pub mod http;
mod incident;
mod kind;
mod kinds;
mod known;
mod problem;
mod result_ext;
mod retry;
mod text;

pub use app_error::AppError;
pub use breaker::{Breaker, BreakerOpen, BreakerState, Permit};
pub use budget::RetryBudget;
pub use chain::Chain;
pub use class::Class;
pub use classification::{Classification, FieldError};
pub use classify::Classify;
pub use correlation::{CorrelationId, Ids, InvalidId};
pub use handler::{Handler, HandlerStats, Policy};
pub use incident::{Decision, Incident, Report};
pub use kind::Kind;
pub use problem::Problem;
pub use result_ext::ResultExt;
pub use retry::{Failed, GiveUp, Retry};
