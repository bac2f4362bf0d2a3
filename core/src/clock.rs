//! Where time comes from.

use std::time::Duration;

/// Monotonic time since the start of a run.
///
/// The library never reads the system clock: it is handed one of these. That
/// is what lets the same code run in simulated time, in a browser tab (where
/// [`std::time::Instant`] panics) and natively.
///
/// ```
/// use highwater::Clock;
/// use std::time::{Duration, Instant};
///
/// struct System(Instant);
///
/// impl Clock for System {
///     fn now(&self) -> Duration {
///         self.0.elapsed()
///     }
/// }
///
/// let clock = System(Instant::now());
/// assert!(clock.now() <= clock.now());
/// ```
pub trait Clock: Send + Sync {
    /// Time passed since the start of the run. Never decreases.
    fn now(&self) -> Duration;
}
