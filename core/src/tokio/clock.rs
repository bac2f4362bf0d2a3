//! Tokio's clock.

use crate::Clock;
use ::tokio::time::Instant;
use std::{sync::LazyLock, time::Duration};

/// The clock of tokio, which tests can pause.
///
/// All values of this type are the same clock: time since a fixed moment before its
/// first use in this process. State that several tasks share, such as a breaker, can
/// therefore be used with `&TokioClock` anywhere, also outside a runtime.
///
/// ```
/// use highwater::{Clock, tokio::TokioClock};
/// use std::time::Duration;
///
/// # #[tokio::main(flavor = "current_thread", start_paused = true)]
/// # async fn main() {
/// let before = TokioClock.now();
/// tokio::time::sleep(Duration::from_secs(60)).await;
/// assert_eq!(TokioClock.now() - before, Duration::from_secs(60));
/// # }
/// ```
///
/// Types that store a clock take an `Arc`:
///
/// ```
/// use highwater::{events::{Bus, Metrics}, tokio::TokioClock};
/// use std::sync::Arc;
///
/// let bus = Bus::new();
/// let metrics = Metrics::new(&bus, Arc::new(TokioClock));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct TokioClock;

impl Clock for TokioClock {
    fn now(&self) -> Duration {
        Instant::now().saturating_duration_since(*START)
    }
}

/// The moment zero of [`TokioClock`].
static START: LazyLock<Instant> = LazyLock::new(|| {
    // The paused clock of a test stands at the start of its runtime, which precedes the
    // first use. The margin keeps it from standing at zero while it advances.
    #[expect(
        clippy::disallowed_types,
        reason = "this module needs an operating system"
    )]
    let now = std::time::Instant::now();
    Instant::from_std(now.checked_sub(MARGIN).unwrap_or(now))
});

const MARGIN: Duration = Duration::from_hours(1);
