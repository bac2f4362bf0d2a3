//! Repeatable randomness.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg32;
use std::time::Duration;

/// The seed of a run's random numbers.
///
/// Each consumer has its own stream, so extra draws in one do not change the numbers
/// of another. Adding a service, for example, leaves the arrivals unchanged.
///
/// ```
/// use highwater::platform::Seed;
///
/// let arrivals = |seed: u64| Seed(seed).stream(1).chance(50);
/// assert_eq!(arrivals(7), arrivals(7));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// Returns the generator of consumer number `stream`.
    #[must_use]
    pub fn stream(self, stream: u64) -> Random {
        // PCG streams with the same state are correlated, so each stream also gets a
        // different state (SplitMix64 inside `seed_from_u64` spreads it).
        let mut state = Pcg32::seed_from_u64(self.0);
        Random(Pcg32::new(state.next_u64().wrapping_add(stream), stream))
    }
}

/// The random number generator of one consumer.
#[derive(Clone, Debug)]
pub struct Random(Pcg32);

impl Random {
    /// Returns `true` in `percent` of 100 draws on average.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent.min(100), 100)
    }

    /// Returns `duration` ± up to `percent` %, uniformly distributed.
    pub fn jitter(&mut self, duration: Duration, percent: u32) -> Duration {
        let percent = percent.min(100);
        let factor = self.0.random_range(100 - percent..=100 + percent);
        duration * factor / 100
    }

    /// Returns a number above 0 and at most 1, uniformly distributed.
    pub fn unit(&mut self) -> f64 {
        const STEPS: f64 = (1_u64 << 53) as f64;
        // 53 random bits are exact in an `f64`, so the numbers are the same everywhere.
        ((self.0.next_u64() >> 11) + 1) as f64 / STEPS
    }

    /// Returns a duration of at most `longest`, uniformly distributed, in whole
    /// microseconds. `longest` is capped at an hour.
    pub fn within(&mut self, longest: Duration) -> Duration {
        let micros = longest.min(Duration::from_hours(1)).as_micros();
        let micros = u32::try_from(micros).unwrap_or(u32::MAX);
        Duration::from_micros(self.0.random_range(0..=micros).into())
    }
}
