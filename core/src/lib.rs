//! Highwater: production patterns you can watch, run and build on.
//!
//! How does a basic server become one that holds up for millions of users? By
//! a few patterns, and this crate has them as modules:
//!
//! | module | pattern |
//! |---|---|
//! | [`events`] | services decoupled by typed, ordered, isolated events |
//! | [`stream`] | pipelines whose memory does not depend on the data: backpressure |
//! | [`error`] | whose fault an error is decides what becomes of it; one handler; bugs crash |
//! | [`scale`] | CPU work off the loop, behind a queue with a bound; a supervisor that replaces what has ended |
//! | [`trace`] | what happened, as records that pictures, reports and checks read |
//!
//! With the feature `playground`, or `chapter-events`, `chapter-streams`,
//! `chapter-errors` or `chapter-scaling` for the scenarios of one chapter, it also
//! has what shows them at work:
//!
//! | module | what it is |
//! |---|---|
#![cfg_attr(
    feature = "scenarios",
    doc = "| [`platform`] | the ports a scenario runs against, and the world that is only simulated |"
)]
#![cfg_attr(
    feature = "scenarios",
    doc = "| [`scenario`] | each pattern as an experiment with parameters, a trace and checks |"
)]
#![cfg_attr(
    feature = "analysis",
    doc = "| [`analysis`] | what is made of whole traces: figures, plots, tables, challenges (feature `analysis`) |"
)]
//!
//! # One core, several worlds
//!
//! Nothing here reads the system clock, starts a thread or draws a random
//! number of its own. Time comes from a [`Clock`], and with the playground so
//! do tasks and randomness from the ports in `platform`. The same scenario
//! therefore runs in simulated time, in a browser tab and natively, and
//! everything shown of it comes from its [`trace`].
//!
//! # Glossary
//!
//! - **Backpressure**: who produces waits until who consumes can keep up.
//! - **Bug**, or *programmer error*: the program is wrong, and what state it left
//!   behind is unknown. All other errors are **operational**: to be expected.
//! - **Correlation id**: what joins a response with its line in the log.
//! - **Drain**: to take nothing new and let finish what is under way.
//! - **Emit**: to hand an event to every listener, in order.
//! - **High-water mark**: from here on a queue has no room. **Low-water mark**:
//!   down to here it drains before those that wait are woken.
//! - **Isolation**: one listener's failure does not stop its siblings.
//! - **The loop**: the single thread that runs a server's tasks in turn.
//!   Whatever *blocks the loop* delays everything else on it.
//! - **p50, p99**: the latency that 50 % or 99 % of the samples stay within.
//! - **World**: where a scenario runs: virtual, tab or native.

#![forbid(unsafe_code)]

#[cfg(feature = "analysis")]
pub mod analysis;
mod clock;
pub mod error;
pub mod events;
mod latency;
mod overflow;
#[cfg(feature = "scenarios")]
pub mod platform;
pub mod scale;
#[cfg(feature = "scenarios")]
pub mod scenario;
pub mod stream;
mod sync;
pub mod trace;
mod wait_queue;

pub use clock::Clock;
pub use latency::LatencyHistogram;
pub use overflow::Overflow;

/// The error type of user code: any error that can be sent between threads.
///
/// Listeners, stages and bodies return errors of their own types; this crate boxes
/// them as this one.
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

// The README's examples run as doctests. It is the package's own, as a file outside
// of the package would be missing once it is published.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// Serializes names and places in the code, which `serde` does not know.
#[cfg(feature = "serde")]
fn as_text<S: serde::Serializer>(
    value: &impl std::fmt::Display,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
