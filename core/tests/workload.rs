//! Arrival and service times, and queueing theory.

use highwater::{
    analysis::{Prediction, SteadyState, WaitingLine},
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

const SEEDS: u32 = 10;

/// Simulates a waiting line. Returns the waits and latencies of the accepted requests in
/// seconds, and the share of the rejected ones.
fn simulate(line: &WaitingLine, requests: u32, seed: u64) -> (Vec<f64>, Vec<f64>, f64) {
    let mut arrivals = Arrivals::new(line.arrivals, Seed(seed).stream(0));
    let mut times = Times::new(line.times, Seed(seed).stream(1));
    let mut free_at: BinaryHeap<Reverse<Duration>> =
        (0..line.servers).map(|_| Reverse(Duration::ZERO)).collect();
    let mut inside: BinaryHeap<Reverse<Duration>> = BinaryHeap::new();
    let (mut now, mut rejected) = (Duration::ZERO, 0);
    let (mut waits, mut latencies) = (Vec::new(), Vec::new());
    for _ in 0..requests {
        now += arrivals.next_interval(line.interval);
        while inside.peek().is_some_and(|end| end.0 <= now) {
            inside.pop();
        }
        if line
            .places
            .is_some_and(|places| inside.len() == (line.servers + places) as usize)
        {
            rejected += 1;
            continue;
        }
        let Reverse(free) = free_at.pop().unwrap();
        let start = free.max(now);
        let end = start + times.next_time(line.time);
        free_at.push(Reverse(end));
        inside.push(Reverse(end));
        waits.push(start.saturating_sub(now).as_secs_f64());
        latencies.push(end.saturating_sub(now).as_secs_f64());
    }
    (waits, latencies, f64::from(rejected) / f64::from(requests))
}

fn steady_state(line: &WaitingLine) -> SteadyState {
    match line.predict() {
        Prediction::SteadyState(state) => state,
        other => panic!("{line:?}: {other:?}"),
    }
}

fn line(servers: u32, times: TimeModel, utilization: f64) -> WaitingLine {
    WaitingLine {
        arrivals: ArrivalModel::Poisson,
        interval: MEAN.div_f64(utilization * f64::from(servers)),
        times,
        time: MEAN,
        servers,
        places: None,
    }
}

#[test]
fn theory_agrees_with_a_simulated_line() {
    let lognormal = TimeModel::Lognormal { cv: 2.0 };
    for utilization in [0.5, 0.8] {
        let bounded = WaitingLine {
            places: Some(8),
            ..line(2, TimeModel::Exponential, utilization)
        };
        for line in [
            line(1, TimeModel::Exponential, utilization),
            line(4, TimeModel::Exponential, utilization),
            line(1, TimeModel::Fixed, utilization),
            line(1, lognormal, utilization),
            bounded,
        ] {
            let state = steady_state(&line);
            let (mut wait, mut p50, mut p99, mut loss) = (0.0, 0.0, 0.0, 0.0);
            for seed in 1..=SEEDS {
                let (waits, mut latencies, rejected) = simulate(&line, 200_000, seed.into());
                latencies.sort_by(f64::total_cmp);
                let share = 1.0 / f64::from(SEEDS);
                wait += share * moments(&waits).0;
                p50 += share * latencies[latencies.len() / 2];
                p99 += share * latencies[latencies.len() * 99 / 100];
                loss += share * rejected;
            }
            let check = |what: &str, simulated: f64, predicted: f64| {
                let gap = simulated / predicted - 1.0;
                let name = state.formula;
                println!(
                    "{name} at {utilization}: {what} {simulated:.6}, {predicted:.6}, {:+.2} %",
                    gap * 100.0
                );
                assert!(
                    gap.abs() < 0.03,
                    "{name} at {utilization}: {what} {simulated}, not {predicted}"
                );
            };
            check("mean wait", wait, state.mean_wait.as_secs_f64());
            if let (Some(median), Some(tail)) = (state.p50, state.p99) {
                check("p50", p50, median.as_secs_f64());
                check("p99", p99, tail.as_secs_f64());
            }
            if state.loss > 1e-3 {
                check("loss", loss, state.loss);
            }
        }
    }
}

#[test]
fn overloaded_line_has_no_steady_state() {
    let prediction = line(2, TimeModel::Exponential, 1.0).predict();
    assert!(matches!(prediction, Prediction::Overloaded { utilization } if utilization >= 1.0));
}

#[test]
fn lines_without_a_formula_say_why() {
    let several = line(2, TimeModel::Fixed, 0.5);
    let regular = WaitingLine {
        arrivals: ArrivalModel::Regular,
        ..line(1, TimeModel::Exponential, 0.5)
    };
    let bounded = WaitingLine {
        places: Some(1),
        ..line(1, TimeModel::Fixed, 0.5)
    };
    for line in [several, regular, bounded] {
        assert!(
            matches!(line.predict(), Prediction::NoFormula(_)),
            "{line:?}"
        );
    }
}
