//! Highwater: production patterns you can watch, run and build on.
//!
//! A few patterns turn a basic server into one that withstands millions of users.
//! This crate provides them as modules:
//!
//! | module | pattern |
//! |---|---|
//! | [`events`] | services decoupled by typed, ordered, isolated events |
//! | [`stream`] | pipelines with backpressure, with memory use independent of the amount of data |
//! | [`error`] | one error type that separates operational errors from bugs, one handler, retries and a circuit breaker |
//! | [`scale`] | CPU work off the event loop, behind a bounded queue; a supervisor that replaces crashed workers |
//! | [`trace`] | a record of what happened, for plots, reports and checks |
#![cfg_attr(
    feature = "tokio",
    doc = "| [`mod@tokio`] | tokio's clock, lag monitoring and thread pools (feature `tokio`) |"
)]
//!
//! ```
//! use highwater::events::Bus;
//!
//! struct UserRegistered {
//!     name: String,
//! }
//!
//! let bus = Bus::new();
//! let _welcome = bus.on("EmailService", |user: &UserRegistered| {
//!     println!("Welcome, {}!", user.name);
//! });
//! assert_eq!(bus.emit(&UserRegistered { name: "Ada".into() })?, 1);
//! # Ok::<(), highwater::events::EmitError>(())
//! ```
//!
//! The feature `playground` adds the modules that demonstrate the patterns.
//! `chapter-events`, `chapter-streams`, `chapter-errors` and `chapter-scaling` each
//! add them for one chapter.
//!
//! | module | content |
//! |---|---|
#![cfg_attr(
    feature = "scenarios",
    doc = "| [`platform`] | the ports a scenario runs against, and the simulated world |"
)]
#![cfg_attr(
    feature = "scenarios",
    doc = "| [`scenario`] | each pattern as an experiment with parameters, a trace and checks |"
)]
#![cfg_attr(
    feature = "scenarios",
    doc = "| [`workload`] | models of how requests arrive and how long their work takes |"
)]
#![cfg_attr(
    feature = "analysis",
    doc = "| [`analysis`] | trace analysis: measures, plots, tables, challenges (feature `analysis`) |"
)]
//!
//! # One core, several worlds
//!
//! Nothing in this crate reads the system clock, starts a thread or draws a random
//! number by itself, except the module `tokio`. Time comes from a [`Clock`]. In the playground, tasks and
//! randomness come from the ports in `platform` as well. The same scenario therefore
//! runs in simulated time, in a browser tab and natively, and everything displayed
//! about a run comes from its [`trace`].
//!
//! # Glossary
//!
//! - **Backpressure**: a producer waits until the consumer can keep up.
//! - **Bug**: the program is wrong, and its state afterwards is unknown. All other
//!   errors are **operational**: a correct program has to expect them.
//! - **Correlation id**: an id that links a response to its log entry.
//! - **Drain**: to accept no new work and finish the work in flight.
//! - **Emit**: to pass an event to every listener, in order.
//! - **High-water mark**: the level at which a queue counts as full. **Low-water
//!   mark**: the level at which waiting senders are woken again.
//! - **Isolation**: the failure of one listener does not affect the others.
//! - **Event loop**: the single thread that runs a server's tasks in turn. A task
//!   that *blocks the loop* delays all others.
//! - **p50, p99**: the latency that 50 % or 99 % of the samples do not exceed.
//! - **World**: the environment of a scenario: virtual, tab or native.

#![forbid(unsafe_code)]
#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "analysis")]
pub mod analysis;
mod bounded_queue;
mod clock;
pub mod error;
pub mod events;
mod latency;
mod overflow;
mod panics;
#[cfg(feature = "scenarios")]
pub mod platform;
pub mod scale;
#[cfg(feature = "scenarios")]
pub mod scenario;
pub mod stream;
mod sync;
#[cfg(feature = "tokio")]
pub mod tokio;
pub mod trace;
mod unwind_safety;
#[cfg(feature = "scenarios")]
pub mod workload;

pub use clock::Clock;
pub use latency::LatencyHistogram;
pub use overflow::Overflow;

/// A boxed error of user code that can be sent between threads.
///
/// Listeners, pipeline stages and response bodies may fail with errors of any type,
/// which are converted to this one.
///
/// ```
/// use highwater::BoxError;
///
/// fn check(text: &str) -> Result<(), BoxError> {
///     if text.is_empty() {
///         return Err("the text is empty".into());
///     }
///     Ok(())
/// }
/// assert_eq!(check("").unwrap_err().to_string(), "the text is empty");
/// ```
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

// Runs the examples of the README as doctests. A path outside the package would not
// exist after publishing.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Serializes a value by its `Display` form.
#[cfg(feature = "serde")]
fn as_text<S: serde::Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
