//! Formulas of queueing theory: at their limits, and against runs of `cluster`.

use highwater::{
    analysis::{Prediction, QueueingModel, SteadyState, Theory},
    platform::{Seed, VirtualTime},
    scenario,
    trace::{Phase, RecordKind, Recorder},
    workload::{ArrivalModel, Arrivals, TimeModel, Times},
};
use std::{cmp::Reverse, collections::BinaryHeap, time::Duration};

const MEAN: Duration = Duration::from_millis(10);

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
            let is_even = arrivals == ArrivalModel::Regular && times == TimeModel::Fixed;
            let is_overloaded = overloaded.predict() == Prediction::Overloaded;
            assert_eq!(is_overloaded, !is_even, "{overloaded:?}");
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

/// The figures of a run that theory predicts, in seconds.
#[derive(Clone, Copy, Debug, Default)]
struct RunFigures {
    mean_wait: f64,
    p99: f64,
    loss: f64,
}

impl RunFigures {
    /// Takes the latencies of the accepted requests, without those of the warm-up.
    fn new(mut latencies: Vec<Duration>, rejected: usize, model: &QueueingModel) -> Self {
        let requests = latencies.len() + rejected;
        let sum: f64 = latencies.iter().map(Duration::as_secs_f64).sum();
        let mean = sum / latencies.len() as f64;
        let rank = latencies.len() * 99 / 100;
        let (_, p99, _) = latencies.select_nth_unstable(rank);
        RunFigures {
            mean_wait: mean - model.service_time.as_secs_f64(),
            p99: p99.as_secs_f64(),
            loss: rejected as f64 / requests as f64,
        }
    }

    fn map(self, of: impl Fn(f64) -> f64) -> Self {
        self.zip(self, |value, _| of(value))
    }

    /// Combines each pair of figures.
    fn zip(self, other: Self, combine: impl Fn(f64, f64) -> f64) -> Self {
        RunFigures {
            mean_wait: combine(self.mean_wait, other.mean_wait),
            p99: combine(self.p99, other.p99),
            loss: combine(self.loss, other.loss),
        }
    }
}

/// Runs `cluster` in simulated time and keeps nothing but latencies.
fn run_cluster(model: &QueueingModel, requests: usize, seed: u64) -> RunFigures {
    let mut experiment = scenario::find("cluster").unwrap().experiment();
    let (times, cv) = match model.times {
        TimeModel::Fixed => ("fixed", 1.0),
        TimeModel::Lognormal { cv } => ("lognormal", cv),
        _ => ("exponential", 1.0),
    };
    let queue = model.queue_capacity.unwrap_or(1_000_000);
    // A single worker has a queue of its own, so that requests follow without delay.
    let balance = if model.servers == 1 {
        "round_robin"
    } else {
        "shared_queue"
    };
    for (key, value) in [
        ("requests", requests.to_string()),
        ("interval", model.interval.as_millis().to_string()),
        ("work", model.service_time.as_millis().to_string()),
        ("workers", model.servers.to_string()),
        ("queue", queue.to_string()),
        ("cv", cv.to_string()),
        ("times", times.to_owned()),
        ("arrivals", "poisson".to_owned()),
        ("balance", balance.to_owned()),
        ("event", "none".to_owned()),
        ("heartbeat", "5000".to_owned()),
        ("seed", seed.to_string()),
    ] {
        experiment.set(key, &value).unwrap();
    }
    let predicted = Theory::of_settings(&experiment.new_trace("virtual"));
    assert_eq!(predicted.model, Some(*model));

    let world = VirtualTime::new();
    let recorder = Recorder::new(world.timer(), 1 << 12);
    let (mut latencies, mut rejected) = (Vec::with_capacity(requests), 0);
    let mut steps = 0;
    let mut drain = || {
        let batch = recorder.drain();
        assert_eq!(batch.dropped, 0);
        let ends = batch
            .events
            .iter()
            .filter(|event| event.kind == RecordKind::Request && event.phase == Phase::End);
        for end in ends {
            if end.failure.is_some() {
                rejected += 1;
            } else {
                latencies.push(end.duration);
            }
        }
    };
    let main = experiment.start(world.platform(), recorder.clone());
    let ended = world.run_to_end_with(main, || {
        steps += 1;
        if steps % 256 == 0 {
            drain();
        }
    });
    assert!(ended.is_some());
    drain();
    assert_eq!(latencies.len() + rejected, requests);
    RunFigures::new(latencies, rejected, model)
}

/// Computes what the run of `cluster` with the same seed should measure, from the same
/// draws: request after request, by the recursion of Kiefer and Wolfowitz (1955). The
/// first `warm_up` requests find the queue emptier than usual and are left out.
fn compute(model: &QueueingModel, requests: usize, warm_up: usize, seed: u64) -> RunFigures {
    let mut arrivals = Arrivals::new(model.arrivals, Seed(seed).stream(0));
    let mut times = Times::new(model.times, Seed(seed).stream(1));
    let mut free_at: BinaryHeap<Reverse<Duration>> = (0..model.servers)
        .map(|_| Reverse(Duration::ZERO))
        .collect();
    // The completions of the requests inside, to know when the queue is full.
    let mut inside = BinaryHeap::new();
    let limit = model.queue_capacity.map(|it| (it + model.servers) as usize);
    let (mut latencies, mut rejected) = (Vec::with_capacity(requests), 0);
    let mut now = Duration::ZERO;
    for number in 0..requests {
        now += arrivals.next_interval(model.interval);
        let time = times.next_time(model.service_time);
        if let Some(limit) = limit {
            while inside
                .peek()
                .is_some_and(|end: &Reverse<Duration>| end.0 <= now)
            {
                inside.pop();
            }
            if inside.len() == limit {
                rejected += usize::from(number >= warm_up);
                continue;
            }
        }
        let mut free = free_at.peek_mut().unwrap();
        let end = free.0.max(now) + time;
        *free = Reverse(end);
        if limit.is_some() {
            inside.push(Reverse(end));
        }
        if number >= warm_up {
            latencies.push(end.saturating_sub(now));
        }
    }
    RunFigures::new(latencies, rejected, model)
}

/// A queue in units that the parameters of `cluster` can express. The work takes long, so
/// that the delays of messages do not matter.
fn queue(servers: u32, times: TimeModel, percent: u32) -> QueueingModel {
    // A lognormal time has a longer tail, and must not exceed the heartbeat timeout.
    let is_lognormal = matches!(times, TimeModel::Lognormal { .. });
    let unit = if is_lognormal { 20 } else { 200 };
    QueueingModel {
        arrivals: ArrivalModel::Poisson,
        interval: Duration::from_millis(unit) / servers,
        times,
        service_time: Duration::from_millis(unit) * percent / 100,
        servers,
        queue_capacity: None,
    }
}

/// Runs and their length.
#[derive(Clone, Copy)]
struct Effort {
    seeds: u64,
    requests: usize,
    /// The quantile of Student's t distribution for a 99.9 % confidence interval.
    t: f64,
}

/// The runs of `cluster`.
const CLUSTER: Effort = Effort {
    seeds: 8,
    requests: 8_000,
    t: 5.41,
};

/// A mean over seeds, and half the width of its 99.9 % confidence interval.
struct Estimate {
    mean: RunFigures,
    half_width: RunFigures,
}

impl Effort {
    fn estimate(self, run: impl Fn(u64) -> RunFigures) -> Estimate {
        let all: Vec<_> = (1..=self.seeds).map(run).collect();
        let count = self.seeds as f64;
        let sum = |all: &mut dyn Iterator<Item = RunFigures>| {
            all.fold(RunFigures::default(), |sum, it| sum.zip(it, |a, b| a + b))
        };
        let mean = sum(&mut all.iter().copied()).map(|sum| sum / count);
        let mut squares = all
            .iter()
            .map(|it| it.zip(mean, |a, mean| (a - mean).powi(2)));
        let half_width = |sum: f64| self.t * (sum / (count - 1.0) / count).sqrt();
        let half_width = sum(&mut squares).map(half_width);
        Estimate { mean, half_width }
    }
}

/// Estimates the figures of a long run of `cluster`.
///
/// A run that is long enough for a narrow interval takes minutes. So the recursion does
/// the long runs, and short runs of `cluster` correct it: with the same draws, both have
/// the same random error, and their difference has hardly any (a control variate).
fn estimate(model: &QueueingModel, effort: Effort) -> Estimate {
    let difference = CLUSTER.estimate(|seed| {
        let run = run_cluster(model, CLUSTER.requests, seed);
        let computed = compute(model, CLUSTER.requests, 0, seed);
        run.zip(computed, |run, computed| run - computed)
    });
    let warm_up = effort.requests / 20;
    let computed = effort.estimate(|seed| compute(model, effort.requests, warm_up, seed));
    Estimate {
        mean: computed.mean.zip(difference.mean, |a, b| a + b),
        half_width: computed.half_width.zip(difference.half_width, f64::hypot),
    }
}

/// Compares every model at a utilization in percent. `assert` gets a name, the estimate,
/// half the width of its interval, and the prediction.
fn for_each_queue(percent: u32, effort: [Effort; 5], assert: impl Fn(&str, f64, f64, f64)) {
    let exponential = TimeModel::Exponential;
    let lognormal = TimeModel::Lognormal { cv: 2.0 };
    let models = [
        queue(1, exponential, percent),
        queue(4, exponential, percent),
        queue(1, TimeModel::Fixed, percent),
        queue(1, lognormal, percent),
        QueueingModel {
            queue_capacity: Some(8),
            ..queue(2, exponential, percent)
        },
    ];
    for (model, effort) in models.iter().zip(effort) {
        let state = steady_state(model);
        let Estimate { mean, half_width } = estimate(model, effort);
        let assert = |what, mean, half_width, predicted: Option<f64>| {
            let what = format!("{what} of {} at {percent} %", state.model);
            if let Some(predicted) = predicted {
                let relative = |value: f64| 100.0 * value / predicted;
                println!(
                    "{what}: {mean:.6} ± {:.2} %, {:+.2} % from {predicted:.6}",
                    relative(half_width),
                    relative(mean - predicted)
                );
                assert(&what, mean, half_width, predicted);
            }
        };
        let wait = state.mean_wait.as_secs_f64();
        let p99 = state.p99.map(|it| it.as_secs_f64());
        let loss = Some(state.loss).filter(|loss| *loss > 0.0);
        assert(
            "mean wait",
            mean.mean_wait,
            half_width.mean_wait,
            Some(wait),
        );
        assert("p99", mean.p99, half_width.p99, p99);
        assert("loss", mean.loss, half_width.loss, loss);
    }
}

fn effort(seeds: u64, requests: usize) -> Effort {
    let t = if seeds < 40 { 4.79 } else { 3.56 };
    Effort { seeds, requests, t }
}

#[test]
fn cluster_at_50_percent_agrees_with_theory() {
    let efforts = [200_000, 200_000, 200_000, 400_000, 700_000].map(|it| effort(10, it));
    for_each_queue(50, efforts, |what, mean, _, predicted| {
        assert_close(what, mean, predicted, 0.03);
    });
}

#[test]
fn cluster_at_80_percent_agrees_with_theory() {
    let efforts = [300_000, 300_000, 200_000, 500_000, 100_000].map(|it| effort(10, it));
    for_each_queue(80, efforts, |what, mean, _, predicted| {
        assert_close(what, mean, predicted, 0.03);
    });
}

#[test]
fn theory_is_in_the_interval_of_a_busy_cluster() {
    let efforts = [400_000, 500_000, 200_000, 1_000_000, 50_000].map(|it| effort(40, it));
    for_each_queue(95, efforts, |what, mean, half_width, predicted| {
        assert!(
            (mean - predicted).abs() <= half_width,
            "{what}: {mean} ± {half_width}, {predicted}"
        );
        if what.starts_with("mean wait") {
            assert!(
                half_width <= 0.05 * predicted,
                "{what}: {mean} ± {half_width}"
            );
        }
    });
}
