//! Randomness that repeats.

use rand::{Rng, RngExt, SeedableRng};
use rand_pcg::Pcg32;
use std::time::Duration;

/// Where a run's random draws come from.
///
/// Each consumer has a stream of its own, so that one that draws more does not
/// change what another gets: the arrivals stay the same when a service is
/// added.
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
    /// The draws of consumer number `stream`.
    #[must_use]
    pub fn stream(self, stream: u64) -> Random {
        // Two generators: PCG streams with the same state are correlated, so
        // the state differs too (SplitMix64 inside `seed_from_u64` spreads it).
        let mut state = Pcg32::seed_from_u64(self.0);
        Random(Pcg32::new(state.next_u64().wrapping_add(stream), stream))
    }
}

/// One consumer's random draws.
#[derive(Clone, Debug)]
pub struct Random(Pcg32);

impl Random {
    /// True in `percent` of 100 draws on average.
    pub fn chance(&mut self, percent: u32) -> bool {
        self.0.random_ratio(percent.min(100), 100)
    }

    /// `duration` give or take up to `percent` %, evenly spread.
    pub fn jitter(&mut self, duration: Duration, percent: u32) -> Duration {
        let percent = percent.min(100);
        let factor = self.0.random_range(100 - percent..=100 + percent);
        duration * factor / 100
    }

    /// Any time up to `longest`, evenly spread, in whole microseconds. More than
    /// an hour of `longest` does not count.
    pub fn within(&mut self, longest: Duration) -> Duration {
        let micros = longest.min(Duration::from_hours(1)).as_micros();
        let micros = u32::try_from(micros).unwrap_or(u32::MAX);
        Duration::from_micros(self.0.random_range(0..=micros).into())
    }
}
