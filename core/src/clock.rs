//! The time source.

use std::time::Duration;

/// Monotonic time since the start of a run.
///
/// The library never reads the system clock; callers pass in a clock instead. The
/// same code therefore runs in simulated time, in a browser tab (where
/// [`std::time::Instant`] panics) and natively. Pass a stored `Arc<dyn Clock>` as
/// `&*clock` where a method takes `&impl Clock`.
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
    /// Returns the time since the start of the run. It never decreases.
    fn now(&self) -> Duration;
}

/// Any function that returns the time is a clock.
impl<F: Fn() -> Duration + Send + Sync> Clock for F {
    fn now(&self) -> Duration {
        self()
    }
}
