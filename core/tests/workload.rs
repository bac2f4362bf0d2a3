//! Arrival and service times.

mod cases;
mod draws;

use highwater::{
    platform::Seed,
    workload::{ArrivalModel, Arrivals, TimeModel, Times},
};
use proptest::prelude::*;
use std::{fmt::Debug, time::Duration};

const MEAN: Duration = Duration::from_millis(10);

const ARRIVALS: [ArrivalModel; 6] = [
    ArrivalModel::Regular,
    ArrivalModel::Jittered,
    ArrivalModel::Poisson,
    ArrivalModel::Bursty { factor: 1.0 },
    ArrivalModel::Bursty { factor: 10.0 },
    ArrivalModel::Bursty { factor: 100.0 },
];

const TIMES: [TimeModel; 11] = [
    TimeModel::Fixed,
    TimeModel::Jittered,
    TimeModel::Exponential,
    TimeModel::Lognormal { cv: 0.01 },
    TimeModel::Lognormal { cv: 0.5 },
    TimeModel::Lognormal { cv: 2.0 },
    TimeModel::Lognormal { cv: 10.0 },
    TimeModel::HeavyTailed { cap: 1.0 },
    TimeModel::HeavyTailed { cap: 1.1 },
    TimeModel::HeavyTailed { cap: 50.0 },
    TimeModel::HeavyTailed { cap: 1_000.0 },
];

/// Returns the mean and the coefficient of variation.
fn moments(draws: &[f64]) -> (f64, f64) {
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    let squares = draws.iter().map(|draw| (draw - mean).powi(2));
    let variance = squares.sum::<f64>() / draws.len() as f64;
    (mean, variance.sqrt() / mean)
}

const COUNT: u32 = 400_000;

/// Draws intervals as multiples of the mean.
fn intervals(model: ArrivalModel) -> Vec<f64> {
    let mut arrivals = Arrivals::new(model, Seed(1).stream(0));
    let draws = (0..COUNT).map(|_| arrivals.next_interval(MEAN).div_duration_f64(MEAN));
    draws.collect()
}

/// Draws service times as multiples of the mean.
fn times(model: TimeModel) -> Vec<f64> {
    let mut times = Times::new(model, Seed(1).stream(0));
    let draws = (0..COUNT).map(|_| times.next_time(MEAN).div_duration_f64(MEAN));
    draws.collect()
}

/// Asserts that the mean is 1, within four standard errors.
fn assert_mean(draws: &[f64], cv: f64, model: &dyn Debug) {
    let (mean, _) = moments(draws);
    let tolerance = 4.0 * cv / f64::from(COUNT).sqrt() + 1e-6;
    assert!((mean - 1.0).abs() < tolerance, "{model:?}: {mean}");
}

/// Asserts the shares of the draws that are at most these multiples of the mean.
fn assert_shares(draws: &[f64], expected: &[(f64, f64)], model: &dyn Debug) {
    for (limit, expected) in expected {
        let below = draws.iter().filter(|draw| *draw <= limit).count();
        let share = below as f64 / draws.len() as f64;
        assert!(
            (share - expected).abs() < 0.004,
            "{model:?}: {share} at most {limit}, not {expected}"
        );
    }
}

fn assert_between(draws: &[f64], min: f64, max: f64) {
    let is_outside = |draw: &&f64| **draw < min || **draw > max;
    assert_eq!(draws.iter().find(is_outside), None);
}

#[test]
fn intervals_have_the_mean_of_the_model() {
    for model in ARRIVALS {
        let draws = intervals(model);
        assert_mean(&draws, moments(&draws).1, &model);
    }
}

#[test]
fn times_have_the_mean_and_variation_of_the_model() {
    for model in TIMES {
        let draws = times(model);
        let expected = model.coefficient_of_variation();
        assert_mean(&draws, expected, &model);
        let (_, cv) = moments(&draws);
        // A sample of this size tells little about the variance of a long tail.
        let tolerance = if expected > 4.0 { 0.3 } else { 0.04 };
        assert!(
            (cv - expected).abs() <= tolerance * expected + 1e-6,
            "{model:?}: {cv}, not {expected}"
        );
    }
}

/// Shares of the exponential distribution.
const EXPONENTIAL: [(f64, f64); 3] = [(0.1, 0.095_16), (1.0, 0.632_12), (3.0, 0.950_21)];

#[test]
fn intervals_have_the_distribution_of_the_model() {
    assert_between(&intervals(ArrivalModel::Regular), 1.0, 1.0);
    let jittered = intervals(ArrivalModel::Jittered);
    assert_between(&jittered, 0.75, 1.25);
    assert_shares(
        &jittered,
        &[(0.875, 13.0 / 51.0), (1.125, 38.0 / 51.0)],
        &"jittered",
    );
    for model in [ArrivalModel::Poisson, ArrivalModel::Bursty { factor: 1.0 }] {
        assert_shares(&intervals(model), &EXPONENTIAL, &model);
    }
    // One interval in 20 ends a burst, and contains a silence of 18 on average.
    let factor = 10.0;
    let bursty = ArrivalModel::Bursty { factor };
    let share = |limit: f64| {
        let (burst, silence) = (-factor * limit, -limit / 18.0);
        let ends = 1.0 - (factor * silence.exp() - burst.exp() / 18.0) / (factor - 1.0 / 18.0);
        (limit, 0.95 * (1.0 - burst.exp()) + 0.05 * ends)
    };
    assert_shares(
        &intervals(bursty),
        &[0.05, 0.2, 1.0, 18.0].map(share),
        &bursty,
    );
}

#[test]
fn times_have_the_distribution_of_the_model() {
    assert_between(&times(TimeModel::Fixed), 1.0, 1.0);
    let jittered = times(TimeModel::Jittered);
    assert_between(&jittered, 0.8, 1.2);
    assert_shares(
        &jittered,
        &[(0.9, 11.0 / 41.0), (1.1, 31.0 / 41.0)],
        &"jittered",
    );
    assert_shares(&times(TimeModel::Exponential), &EXPONENTIAL, &"exponential");
    for cv in [0.5_f64, 2.0, 10.0] {
        let deviation = (cv * cv).ln_1p().sqrt();
        let at = |score: f64| (score * deviation - deviation * deviation / 2.0).exp();
        let normal = [
            (-2.0, 0.022_75),
            (0.0, 0.5),
            (1.0, 0.841_34),
            (2.0, 0.977_25),
        ];
        let expected = normal.map(|(score, share)| (at(score), share));
        assert_shares(&times(TimeModel::Lognormal { cv }), &expected, &cv);
    }
    for cap in [1.1, 50.0, 1_000.0] {
        let draws = times(TimeModel::HeavyTailed { cap });
        let minimum = draws.iter().copied().fold(cap, f64::min);
        assert_between(&draws, 0.0, cap);
        let share = |limit: f64| (limit, 1.0 - (minimum / limit).powf(1.5));
        let expected = [1.05, 2.0, 5.0].map(|factor| share((minimum * factor).min(cap * 0.999)));
        assert_shares(&draws, &expected, &cap);
        assert!(draws.contains(&cap), "the tail is not cut at {cap}");
    }
}

#[test]
fn shapes_out_of_range_count_as_the_minimum() {
    for factor in [f64::NAN, -1.0, 0.0] {
        let [invalid, minimum] = [factor, 1.0].map(|factor| {
            let mut arrivals = Arrivals::new(ArrivalModel::Bursty { factor }, Seed(1).stream(0));
            [(); 100].map(|()| arrivals.next_interval(MEAN))
        });
        assert_eq!(invalid, minimum, "{factor}");
    }
    for shape in [f64::NAN, -2.0, -0.5] {
        let models = [
            TimeModel::Lognormal { cv: shape },
            TimeModel::HeavyTailed { cap: shape },
        ];
        for model in models {
            let mut times = Times::new(model, Seed(1).stream(0));
            for _draw in 0..100 {
                let time = times.next_time(MEAN);
                assert!(time.abs_diff(MEAN) <= Duration::from_nanos(1), "{model:?}");
            }
            assert!(model.coefficient_of_variation() < 1e-6, "{model:?}");
        }
    }
}

#[test]
fn bursts_are_followed_by_silence() {
    // The length of a burst is geometric, so it is followed by silence at any time.
    let draws = intervals(ArrivalModel::Bursty { factor: 100.0 });
    let bursts: Vec<_> = draws.split(|interval| *interval > 1.0).collect();
    let requests = draws.len() as f64 / bursts.len() as f64;
    assert!(
        (20.0..22.0).contains(&requests),
        "{requests} requests a burst"
    );
}

#[test]
fn equal_seeds_give_equal_draws() {
    draws::assert_draws_are_pinned();
}

/// Asserts that no draw depends on one that is up to three before or after it in the
/// other sequence.
fn assert_independent(one: &[f64], other: &[f64]) {
    let center = |draws: &[f64]| {
        let mean = moments(draws).0;
        draws.iter().map(|draw| draw - mean).collect::<Vec<_>>()
    };
    let (one, other) = (center(one), center(other));
    let product = |one: &[f64], other: &[f64]| -> f64 {
        one.iter().zip(other).map(|(one, other)| one * other).sum()
    };
    let scale = (product(&one, &one) * product(&other, &other)).sqrt();
    for lag in 0..4 {
        for correlation in [product(&one[lag..], &other), product(&one, &other[lag..])] {
            let correlation = correlation / scale;
            let limit = 4.5 / (one.len() as f64).sqrt();
            assert!(correlation.abs() < limit, "{correlation} at lag {lag}");
        }
    }
}

#[test]
fn random_streams_are_independent() {
    let draws = |stream: u64| {
        let mut random = Seed(1).stream(stream);
        (0..100_000).map(|_| random.unit()).collect::<Vec<_>>()
    };
    let streams = [0, 1, 2, 1_000].map(draws);
    for (index, one) in streams.iter().enumerate() {
        for other in &streams[index + 1..] {
            assert_independent(one, other);
        }
    }
    // Some scenarios use a stream for each request, and draw from it once.
    for seed in 1..=5 {
        let firsts = (0..20_000).map(|stream| Seed(seed).stream(stream).unit());
        let firsts: Vec<_> = firsts.collect();
        assert_shares(&firsts, &[(0.25, 0.25), (0.5, 0.5), (0.9, 0.9)], &seed);
        assert_independent(&firsts[4..], &firsts[..firsts.len() - 4]);
    }
}

fn any_arrivals() -> impl Strategy<Value = ArrivalModel> {
    let factor = prop_oneof![1.0..100.0, Just(0.0), Just(1.0), Just(1e12)];
    prop_oneof![
        Just(ArrivalModel::Regular),
        Just(ArrivalModel::Jittered),
        Just(ArrivalModel::Poisson),
        factor.prop_map(|factor| ArrivalModel::Bursty { factor }),
    ]
}

fn any_times() -> impl Strategy<Value = TimeModel> {
    let cv = prop_oneof![0.0..10.0, Just(0.0), Just(100.0)];
    let cap = prop_oneof![
        1.0..1_000.0,
        (0..16).prop_map(|digits| 1.0 + 0.1_f64.powi(digits)),
        Just(1e12),
    ];
    prop_oneof![
        Just(TimeModel::Fixed),
        Just(TimeModel::Jittered),
        Just(TimeModel::Exponential),
        cv.prop_map(|cv| TimeModel::Lognormal { cv }),
        cap.prop_map(|cap| TimeModel::HeavyTailed { cap }),
    ]
}

proptest! {
    #![proptest_config(cases::cases(500))]

    #[test]
    fn draws_stay_in_range(
        (arrivals, times, seed) in (any_arrivals(), any_times(), any::<u64>()),
        mean in prop_oneof![Just(0), Just(1), 0..60_000_000_u64],
    ) {
        let mean = Duration::from_micros(mean);
        let mut intervals = Arrivals::new(arrivals, Seed(seed).stream(0));
        let mut services = Times::new(times, Seed(seed).stream(1));
        // A negative or infinite draw would be the maximum.
        let longest = mean.saturating_mul(1_000_000);
        for _ in 0..100 {
            let interval = intervals.next_interval(mean);
            prop_assert!(interval <= longest, "{:?}: {:?}", arrivals, interval);
            let service = services.next_time(mean);
            prop_assert!(service <= longest, "{:?}: {:?}", times, service);
            if let TimeModel::HeavyTailed { cap } = times {
                prop_assert!(service <= mean.mul_f64(cap));
                prop_assert!(service >= mean / 3 || mean < Duration::from_micros(1));
            }
        }
        let cv = times.coefficient_of_variation();
        prop_assert!(cv >= 0.0 && cv.is_finite(), "{:?}: {}", times, cv);
    }
}
