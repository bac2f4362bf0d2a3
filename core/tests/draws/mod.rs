//! Pinned draws: the same numbers in every world, in every browser and on every
//! platform.

use highwater::{
    platform::Seed,
    workload::{ArrivalModel, Arrivals, TimeModel, Times},
};
use std::time::Duration;

const MEAN: Duration = Duration::from_millis(10);

const ARRIVALS: [(ArrivalModel, u128); 3] = [
    (ArrivalModel::Jittered, 9_984_000_000),
    (ArrivalModel::Poisson, 9_775_996_685),
    (ArrivalModel::Bursty { factor: 5.0 }, 9_742_633_540),
];

const TIMES: [(TimeModel, u128); 4] = [
    (TimeModel::Jittered, 9_985_300_000),
    (TimeModel::Exponential, 9_775_996_685),
    (TimeModel::Lognormal { cv: 2.0 }, 9_408_194_057),
    (TimeModel::HeavyTailed { cap: 50.0 }, 8_877_961_532),
];

/// Asserts the sum of a thousand draws of each model, in nanoseconds.
pub(crate) fn assert_draws_are_pinned() {
    for (model, expected) in ARRIVALS {
        let mut arrivals = Arrivals::new(model, Seed(1).stream(0));
        let sum: Duration = (0..1_000).map(|_| arrivals.next_interval(MEAN)).sum();
        assert_eq!(sum.as_nanos(), expected, "{model:?}");
    }
    for (model, expected) in TIMES {
        let mut times = Times::new(model, Seed(1).stream(0));
        let sum: Duration = (0..1_000).map(|_| times.next_time(MEAN)).sum();
        assert_eq!(sum.as_nanos(), expected, "{model:?}");
    }
}
