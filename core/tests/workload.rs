//! Arrival and service times, and queueing theory.

use highwater::{
    analysis::{Prediction, QueueingModel, SteadyState},
    platform::Seed,
    workload::{ArrivalModel, Arrivals, TimeModel, Times},
};
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

const MEAN: Duration = Duration::from_millis(10);

const ARRIVALS: [ArrivalModel; 5] = [
    ArrivalModel::Regular,
    ArrivalModel::Jittered,
    ArrivalModel::Poisson,
    ArrivalModel::Bursty { factor: 1.0 },
    ArrivalModel::Bursty { factor: 10.0 },
];

const TIMES: [TimeModel; 6] = [
    TimeModel::Fixed,
    TimeModel::Jittered,
    TimeModel::Exponential,
    TimeModel::Lognormal { cv: 0.5 },
    TimeModel::Lognormal { cv: 2.0 },
    TimeModel::HeavyTailed { cap: 50.0 },
];

/// Returns the mean and the coefficient of variation.
fn moments(draws: &[f64]) -> (f64, f64) {
    let mean = draws.iter().sum::<f64>() / draws.len() as f64;
    let squares = draws.iter().map(|draw| (draw - mean).powi(2));
    let variance = squares.sum::<f64>() / draws.len() as f64;
    (mean, variance.sqrt() / mean)
}

fn draws(mut next: impl FnMut() -> Duration, count: usize) -> Vec<f64> {
    (0..count).map(|_| next().as_secs_f64()).collect()
}

#[test]
fn intervals_have_the_mean_of_the_model() {
    for model in ARRIVALS {
        let mut arrivals = Arrivals::new(model, Seed(1).stream(0));
        let (mean, _) = moments(&draws(|| arrivals.next_interval(MEAN), 400_000));
        let error = mean / MEAN.as_secs_f64() - 1.0;
        assert!(error.abs() < 0.02, "{model:?}: {mean}");
    }
}

#[test]
fn times_have_the_mean_and_variation_of_the_model() {
    for model in TIMES {
        let mut times = Times::new(model, Seed(1).stream(0));
        let (mean, cv) = moments(&draws(|| times.next_time(MEAN), 400_000));
        let error = mean / MEAN.as_secs_f64() - 1.0;
        assert!(error.abs() < 0.01, "{model:?}: {mean}");
        let expected = model.coefficient_of_variation();
        assert!(
            (cv - expected).abs() <= 0.04 * expected + 1e-9,
            "{model:?}: {cv}, not {expected}"
        );
    }
}

#[test]
fn bursts_are_followed_by_silence() {
    let mut bursty = Arrivals::new(ArrivalModel::Bursty { factor: 10.0 }, Seed(1).stream(0));
    let intervals = draws(|| bursty.next_interval(MEAN), 100_000);
    let (_, cv) = moments(&intervals);
    assert!(cv > 3.0, "{cv}");
    let short = intervals
        .iter()
        .filter(|it| **it < MEAN.as_secs_f64())
        .count();
    assert!(short > 90_000, "{short} intervals are within bursts");
}

#[test]
fn heavy_tail_is_cut_at_the_cap() {
    let mut times = Times::new(TimeModel::HeavyTailed { cap: 50.0 }, Seed(1).stream(0));
    let longest = (0..100_000).map(|_| times.next_time(MEAN)).max().unwrap();
    assert_eq!(longest, 50 * MEAN);
}

#[test]
fn equal_seeds_give_equal_draws() {
    // The same numbers in every world and on every platform.
    let mut poisson = Arrivals::new(ArrivalModel::Poisson, Seed(1).stream(0));
    let mut lognormal = Times::new(TimeModel::Lognormal { cv: 2.0 }, Seed(1).stream(0));
    let mut tail = Times::new(TimeModel::HeavyTailed { cap: 50.0 }, Seed(1).stream(0));
    let first = [
        poisson.next_interval(MEAN).as_nanos(),
        lognormal.next_time(MEAN).as_nanos(),
        tail.next_time(MEAN).as_nanos(),
    ];
    assert_eq!(first, [9_700_986, 2_113_407, 6_742_029]);
}

const SEEDS: u32 = 5;

/// Simulates a queue. Returns the waits and latencies of the accepted requests in
/// seconds, and the share of the rejected ones.
fn simulate(model: &QueueingModel, requests: u32, seed: u64) -> (Vec<f64>, Vec<f64>, f64) {
    let mut arrivals = Arrivals::new(model.arrivals, Seed(seed).stream(0));
    let mut times = Times::new(model.times, Seed(seed).stream(1));
    let mut free_at: BinaryHeap<Reverse<Duration>> = (0..model.servers)
        .map(|_| Reverse(Duration::ZERO))
        .collect();
    let mut inside: BinaryHeap<Reverse<Duration>> = BinaryHeap::new();
    let limit = model.queue_capacity.map(|it| (it + model.servers) as usize);
    let (mut now, mut rejected) = (Duration::ZERO, 0);
    let (mut waits, mut latencies) = (Vec::new(), Vec::new());
    for _ in 0..requests {
        now += arrivals.next_interval(model.interval);
        while inside.peek().is_some_and(|end| end.0 <= now) {
            inside.pop();
        }
        if limit == Some(inside.len()) {
            rejected += 1;
            continue;
        }
        let Reverse(free) = free_at.pop().unwrap();
        let start = free.max(now);
        let end = start + times.next_time(model.service_time);
        free_at.push(Reverse(end));
        inside.push(Reverse(end));
        waits.push(start.saturating_sub(now).as_secs_f64());
        latencies.push(end.saturating_sub(now).as_secs_f64());
    }
    (waits, latencies, f64::from(rejected) / f64::from(requests))
}

fn steady_state(model: &QueueingModel) -> SteadyState {
    match model.predict() {
        Prediction::SteadyState(state) => state,
        other => panic!("{model:?}: {other:?}"),
    }
}

fn model(servers: u32, times: TimeModel, utilization: f64) -> QueueingModel {
    QueueingModel {
        arrivals: ArrivalModel::Poisson,
        interval: MEAN.div_f64(utilization * f64::from(servers)),
        times,
        service_time: MEAN,
        servers,
        queue_capacity: None,
    }
}

fn bounded(servers: u32, queue_capacity: u32, utilization: f64) -> QueueingModel {
    QueueingModel {
        queue_capacity: Some(queue_capacity),
        ..model(servers, TimeModel::Exponential, utilization)
    }
}

fn assert_close(what: &str, actual: f64, expected: f64, tolerance: f64) {
    let gap = actual / expected - 1.0;
    assert!(gap.abs() < tolerance, "{what}: {actual}, not {expected}");
}

fn seconds(time: Option<Duration>) -> f64 {
    time.unwrap().as_secs_f64()
}

#[test]
fn theory_agrees_with_a_simulated_queue() {
    let lognormal = TimeModel::Lognormal { cv: 2.0 };
    for utilization in [0.5, 0.8] {
        for model in [
            model(1, TimeModel::Exponential, utilization),
            model(4, TimeModel::Exponential, utilization),
            model(1, TimeModel::Fixed, utilization),
            model(1, TimeModel::Jittered, utilization),
            model(1, lognormal, utilization),
            bounded(2, 8, utilization),
            bounded(3, 2, 2.0 * utilization),
        ] {
            let state = steady_state(&model);
            let (mut wait, mut p50, mut p99, mut loss) = (0.0, 0.0, 0.0, 0.0);
            for seed in 1..=SEEDS {
                let (waits, mut latencies, rejected) = simulate(&model, 200_000, seed.into());
                latencies.sort_by(f64::total_cmp);
                let share = 1.0 / f64::from(SEEDS);
                wait += share * moments(&waits).0;
                p50 += share * latencies[latencies.len() / 2];
                p99 += share * latencies[latencies.len() * 99 / 100];
                loss += share * rejected;
            }
            let check = |what: &str, simulated, predicted| {
                let what = format!("{}, {} at {utilization}", what, state.model);
                assert_close(&what, simulated, predicted, 0.03);
            };
            check("mean wait", wait, state.mean_wait.as_secs_f64());
            if state.p50.is_some() {
                check("p50", p50, seconds(state.p50));
                check("p99", p99, seconds(state.p99));
            }
            if state.loss > 1e-3 {
                check("loss", loss, state.loss);
            }
        }
    }
}

#[test]
fn long_queue_is_like_an_unbounded_one() {
    for servers in [1, 2, 3, 8] {
        for utilization in [0.1, 0.5, 0.95, 0.99] {
            let unbounded = steady_state(&model(servers, TimeModel::Exponential, utilization));
            let long = steady_state(&bounded(servers, 5_000, utilization));
            let what = format!("{servers} servers at {utilization}");
            for (long, unbounded) in [
                (Some(long.mean_wait), Some(unbounded.mean_wait)),
                (long.p50, unbounded.p50),
                (long.p99, unbounded.p99),
            ] {
                assert_close(&what, seconds(long), seconds(unbounded), 1e-6);
            }
            assert!(long.loss < 1e-9, "{}", long.loss);
        }
    }
}

#[test]
fn overloaded_bounded_queue_is_full() {
    for servers in [1, 8] {
        for (capacity, utilization) in [(0, 3.0), (20_000, 1.5), (20_000, 200.0)] {
            let state = steady_state(&bounded(servers, capacity, utilization));
            let what = format!("{servers} servers at {utilization}");
            if capacity == 0 {
                assert_eq!(
                    (state.mean_wait, servers > 1),
                    (Duration::ZERO, servers == 8)
                );
                continue;
            }
            assert_close(&what, 1.0 - state.loss, 1.0 / utilization, 1e-6);
            assert_close(&what, state.utilization, 1.0, 1e-6);
            // Each request waits for almost the whole queue.
            let full = MEAN.as_secs_f64() * f64::from(capacity) / f64::from(servers);
            assert_close(&what, state.mean_wait.as_secs_f64(), full, 1e-3);
            assert_close(&what, seconds(state.p50), full, 1e-2);
            assert_close(&what, seconds(state.p99), full, 5e-2);
        }
    }
    // Erlang's loss formula, for an offered load of 3.
    let state = steady_state(&bounded(1, 0, 3.0));
    assert_close("loss", state.loss, 0.75, 1e-6);
}

#[test]
fn fixed_times_have_an_exponential_tail() {
    for utilization in [0.5, 0.8, 0.95, 0.99, 0.999] {
        // The decay rate of P(wait > t) = factor · exp(−rate · t) for long waits.
        let (mut low, mut high) = (1e-9, 10.0);
        for _ in 0..100 {
            let rate = f64::midpoint(low, high);
            if utilization * (rate.exp() - 1.0) < rate {
                low = rate;
            } else {
                high = rate;
            }
        }
        let factor = (1.0 - utilization) / (utilization * low.exp() - 1.0);
        let p99 = 1.0 + (factor / 0.01).ln() / low;
        let state = steady_state(&model(1, TimeModel::Fixed, utilization));
        let what = format!("p99 at {utilization}");
        assert_close(&what, seconds(state.p99), p99 * MEAN.as_secs_f64(), 2e-3);
    }
}

#[test]
fn tiny_and_huge_times_are_predicted() {
    let exponential = TimeModel::Exponential;
    for service_time in [Duration::ZERO, Duration::from_nanos(1), MEAN] {
        for queue_capacity in [None, Some(0), Some(10)] {
            for times in [
                exponential,
                TimeModel::Fixed,
                TimeModel::Lognormal { cv: 1.0 },
            ] {
                for interval in [Duration::from_nanos(1), MEAN * 2, Duration::MAX] {
                    let model = QueueingModel {
                        interval,
                        times,
                        service_time,
                        queue_capacity,
                        ..model(3, exponential, 0.5)
                    };
                    match model.predict() {
                        Prediction::SteadyState(state) => {
                            let shares = [state.utilization, state.loss];
                            assert!(
                                shares.iter().all(|it| (0.0..=1.0).contains(it)),
                                "{state:?}"
                            );
                            assert!(state.mean_latency >= service_time, "{state:?}");
                            assert!(state.p50 <= state.p99, "{state:?}");
                        }
                        Prediction::Overloaded => assert!(model.utilization() >= 1.0),
                        _ => assert_ne!(times, exponential),
                    }
                }
            }
        }
    }
    let at_once = QueueingModel {
        interval: Duration::ZERO,
        ..model(1, exponential, 0.5)
    };
    assert!(matches!(at_once.predict(), Prediction::NoFormula(_)));
}

#[test]
fn overloaded_queue_has_no_steady_state() {
    for times in [TimeModel::Exponential, TimeModel::Fixed] {
        for arrivals in [ArrivalModel::Poisson, ArrivalModel::Regular] {
            let overloaded = QueueingModel {
                arrivals,
                ..model(2, times, 1.0)
            };
            assert_eq!(overloaded.predict(), Prediction::Overloaded);
        }
    }
}

#[test]
fn models_without_a_formula_say_why() {
    let several = model(2, TimeModel::Fixed, 0.5);
    let regular = QueueingModel {
        arrivals: ArrivalModel::Regular,
        ..model(1, TimeModel::Exponential, 0.5)
    };
    let bounded = QueueingModel {
        times: TimeModel::Fixed,
        ..bounded(1, 1, 0.5)
    };
    for model in [several, regular, bounded] {
        assert!(
            matches!(model.predict(), Prediction::NoFormula(_)),
            "{model:?}"
        );
    }
}
