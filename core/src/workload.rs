//! Models of load: how requests arrive, and how long their work takes.
//!
//! Real requests arrive at random, some in bursts, and real service times have long
//! tails. Both decide the high percentiles of latency, far more than the means do.
//!
//! ```
//! use highwater::{platform::Seed, workload::{ArrivalModel, Arrivals, TimeModel, Times}};
//! use std::time::Duration;
//!
//! let mean = Duration::from_millis(10);
//! let mut arrivals = Arrivals::new(ArrivalModel::Poisson, Seed(1).stream(0));
//! let total: Duration = (0..10_000).map(|_| arrivals.next_interval(mean)).sum();
//! assert!(total.abs_diff(10_000 * mean) < 500 * mean);
//!
//! let mut times = Times::new(TimeModel::Lognormal { cv: 2.0 }, Seed(1).stream(1));
//! let longest = (0..10_000).map(|_| times.next_time(mean)).max().unwrap();
//! assert!(longest > 20 * mean);
//! ```
//!
//! Draws are equal for equal seeds on every platform: logarithms and exponentials come
//! from [`libm`](https://docs.rs/libm), since those of the operating systems and
//! browsers differ in the last digit. The package `rand_distr` also has most of these
//! distributions. It is not used, because it computes with the platform's functions as
//! soon as any package in the build enables the feature `std` of `num-traits`.

use crate::platform::Random;
use std::time::Duration;

/// A model of the times between requests.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum ArrivalModel {
    /// All intervals are equal.
    Regular,
    /// Intervals are uniformly distributed within ±25 % of the mean.
    Jittered,
    /// Requests arrive independently of each other, as those of many users do.
    /// Intervals are exponential.
    Poisson,
    /// Poisson arrivals in bursts of 20 requests on average, with silence between them.
    Bursty {
        /// The rate within a burst, as a multiple of the mean rate. A value below 1 or
        /// NaN counts as 1.
        factor: f64,
    },
}

impl ArrivalModel {
    /// Returns the model that a run's settings name. `decimal` returns the setting with a
    /// key. Unknown names stand for jitter.
    #[allow(
        dead_code,
        reason = "unused in a build without the analysis and some chapters"
    )]
    pub(crate) fn named(name: &str, decimal: impl Fn(&str) -> f64) -> Self {
        match name {
            "regular" => ArrivalModel::Regular,
            "poisson" => ArrivalModel::Poisson,
            "bursty" => ArrivalModel::Bursty {
                factor: decimal("burst"),
            },
            _ => ArrivalModel::Jittered,
        }
    }
}

/// The mean number of requests in a burst.
const BURST_LENGTH: f64 = 20.0;

/// The times between requests, drawn from a model.
#[derive(Clone, Debug)]
pub struct Arrivals {
    model: ArrivalModel,
    random: Random,
}

impl Arrivals {
    /// Creates a generator of intervals.
    #[must_use]
    pub fn new(model: ArrivalModel, random: Random) -> Self {
        Arrivals { model, random }
    }

    /// Draws the time to the next request. `mean` may change from draw to draw.
    pub fn next_interval(&mut self, mean: Duration) -> Duration {
        match self.model {
            ArrivalModel::Regular => mean,
            ArrivalModel::Jittered => self.random.jitter(mean, 25),
            ArrivalModel::Poisson => scale(mean, exponential(&mut self.random)),
            ArrivalModel::Bursty { factor } => {
                let factor = factor.max(1.0);
                let mut interval = exponential(&mut self.random) / factor;
                // The length of a burst is geometric, and its silence makes up for the
                // time that the burst saved.
                if self.random.unit() <= 1.0 / BURST_LENGTH {
                    let silence = BURST_LENGTH * (1.0 - 1.0 / factor);
                    interval += silence * exponential(&mut self.random);
                }
                scale(mean, interval)
            }
        }
    }
}

/// A model of the time that work takes.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum TimeModel {
    /// All times are equal.
    Fixed,
    /// Times are uniformly distributed within ±20 % of the mean.
    Jittered,
    /// Exponential times: most are short, and one in a hundred takes at least 4.6
    /// times the mean.
    Exponential,
    /// Lognormal times, as services usually have.
    Lognormal {
        /// The coefficient of variation: the standard deviation divided by the mean. A
        /// negative value or NaN counts as 0. It must be finite.
        cv: f64,
    },
    /// Pareto times with shape 1.5: rare times are many times the mean.
    HeavyTailed {
        /// The longest time, as a multiple of the mean. A value below 1 or NaN counts
        /// as 1.
        cap: f64,
    },
}

/// The shape of the Pareto distribution. Without a cap, its variance is infinite.
const PARETO_SHAPE: f64 = 1.5;

impl TimeModel {
    /// Returns the model that a run's settings name. `decimal` returns the setting with a
    /// key. Unknown names stand for jitter.
    #[allow(
        dead_code,
        reason = "unused in a build without the analysis and some chapters"
    )]
    pub(crate) fn named(name: &str, decimal: impl Fn(&str) -> f64) -> Self {
        match name {
            "fixed" => TimeModel::Fixed,
            "exponential" => TimeModel::Exponential,
            "lognormal" => TimeModel::Lognormal { cv: decimal("cv") },
            "heavy_tailed" => TimeModel::HeavyTailed {
                cap: decimal("cap"),
            },
            _ => TimeModel::Jittered,
        }
    }

    /// Returns the coefficient of variation, on which the mean wait in a queue depends.
    #[must_use]
    pub fn coefficient_of_variation(self) -> f64 {
        match self.in_range() {
            TimeModel::Fixed => 0.0,
            // A uniform distribution of 41 values, 0.01 apart.
            TimeModel::Jittered => 0.01 * 140_f64.sqrt(),
            TimeModel::Exponential => 1.0,
            TimeModel::Lognormal { cv } => cv,
            TimeModel::HeavyTailed { cap } => {
                // The second moment of min(X, cap): the integral of 2x·P(X > x).
                let minimum = pareto_minimum(cap);
                let tail = 4.0 * minimum * minimum.sqrt();
                let roots = cap.sqrt() - minimum.sqrt();
                // With a cap near 1, rounding may leave less than 0.
                (minimum * minimum + tail * roots - 1.0).max(0.0).sqrt()
            }
        }
    }

    /// Raises shapes below their minimum, and NaN, to the minimum.
    fn in_range(self) -> Self {
        match self {
            TimeModel::Lognormal { cv } => TimeModel::Lognormal { cv: cv.max(0.0) },
            TimeModel::HeavyTailed { cap } => TimeModel::HeavyTailed { cap: cap.max(1.0) },
            other => other,
        }
    }
}

/// The times that work takes, drawn from a model.
#[derive(Clone, Debug)]
pub struct Times {
    model: TimeModel,
    /// The minimum of the Pareto distribution, as a multiple of the mean.
    pareto_minimum: f64,
    random: Random,
}

impl Times {
    /// Creates a generator of times.
    #[must_use]
    pub fn new(model: TimeModel, random: Random) -> Self {
        let model = model.in_range();
        let pareto_minimum = match model {
            TimeModel::HeavyTailed { cap } => pareto_minimum(cap),
            _ => 1.0,
        };
        Times {
            model,
            pareto_minimum,
            random,
        }
    }

    /// Draws the time of the next piece of work. `mean` may change from draw to draw.
    pub fn next_time(&mut self, mean: Duration) -> Duration {
        let random = &mut self.random;
        match self.model {
            TimeModel::Fixed => mean,
            TimeModel::Jittered => random.jitter(mean, 20),
            TimeModel::Exponential => scale(mean, exponential(random)),
            TimeModel::Lognormal { cv } => {
                // The variance of the logarithm. Half of it makes the mean 1.
                let variance = libm::log(1.0 + cv * cv);
                let logarithm = variance.sqrt() * normal(random) - variance / 2.0;
                scale(mean, libm::exp(logarithm))
            }
            TimeModel::HeavyTailed { cap } => {
                let tail = libm::exp(exponential(random) / PARETO_SHAPE);
                scale(mean, (self.pareto_minimum * tail).min(cap))
            }
        }
    }
}

/// Returns the minimum of a Pareto distribution whose mean is 1 after the cap.
fn pareto_minimum(cap: f64) -> f64 {
    // With shape 1.5 and minimum m, the mean of min(X, cap) is 3m − 2m√(m/cap), which
    // grows with m up to the cap.
    let mean = |minimum: f64| minimum * (3.0 - 2.0 * (minimum / cap).sqrt());
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..f64::MANTISSA_DIGITS {
        let middle = f64::midpoint(low, high);
        if mean(middle) < 1.0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

/// Draws from the exponential distribution with mean 1.
fn exponential(random: &mut Random) -> f64 {
    -libm::log(random.unit())
}

/// Draws from the standard normal distribution by the polar method (Marsaglia and Bray,
/// 1964), which needs no trigonometry.
fn normal(random: &mut Random) -> f64 {
    loop {
        let x = 2.0 * random.unit() - 1.0;
        let y = 2.0 * random.unit() - 1.0;
        let square = x * x + y * y;
        if square > 0.0 && square < 1.0 {
            return x * (-2.0 * libm::log(square) / square).sqrt();
        }
    }
}

/// Multiplies a duration, rounded to nanoseconds. A product that is too long is
/// [`Duration::MAX`].
fn scale(mean: Duration, factor: f64) -> Duration {
    Duration::try_from_secs_f64(mean.as_secs_f64() * factor).unwrap_or(Duration::MAX)
}
