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
/// use std::{sync::Arc, time::Instant};
///
/// let start = Instant::now();
/// let clock: Arc<dyn Clock> = Arc::new(move || start.elapsed());
/// assert!(clock.now() <= clock.now());
/// ```
pub trait Clock: Send + Sync {
    /// Time passed since the start of the run. Never decreases.
    fn now(&self) -> Duration;
}

/// A function that tells the time is a clock.
impl<F: Fn() -> Duration + Send + Sync> Clock for F {
    fn now(&self) -> Duration {
        self()
    }
}
