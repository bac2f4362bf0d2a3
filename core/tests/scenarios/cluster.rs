//! `cluster` in simulated time: its claims hold for any settings.

use crate::strategies::{cluster_params, number, zero_small_or_large};
use crate::support::{
    self, assert_each_record_narrated, assert_none_fails, assert_presets_exercise_all_checks,
    assert_seeds_differ, figure, to_json,
};
use highwater::{
    scenario::{self, Experiment, Outcome, ParamKind, TRACE_CAPACITY},
    trace::{Event, Phase, RecordKind, Trace},
};
use proptest::prelude::*;

fn experiment<V: AsRef<str>>(pairs: &[(&str, V)]) -> Experiment {
    support::experiment("cluster", pairs)
}

fn simulate(pairs: &[(&str, &str)]) -> Trace {
    experiment(pairs).simulate()
}

/// Returns a preset's settings. Simulated users are reduced to 3,000.
fn with_few_users<'a>(set: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut set = set.to_vec();
    if set.iter().any(|(key, _)| *key == "users") {
        set.extend([("users", "3000"), ("think", "500")]);
    }
    set
}

/// Returns the options of a parameter.
fn options(key: &str) -> &'static [&'static str] {
    let mut params = scenario::find("cluster").unwrap().params.iter();
    match params.find(|it| it.key == key).unwrap().kind {
        ParamKind::Choice { options, .. } => options,
        ParamKind::Integer { .. } | ParamKind::Decimal { .. } => &[],
    }
}

/// Counts the requests that ended with this failure; `None` counts successes.
fn ended_with(trace: &Trace, failure: Option<&str>) -> usize {
    let is_end = |it: &&Event| {
        (it.kind, it.phase) == (RecordKind::Request, Phase::End)
            && it.failure.map(|id| trace.name(id)) == failure
    };
    trace.events.iter().filter(is_end).count()
}

fn any_params() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let load = (
        number(1..=80),
        zero_small_or_large(30, 200),
        zero_small_or_large(50, 200),
    );
    (cluster_params(), load).prop_map(|(mut pairs, (requests, interval, work))| {
        pairs.extend([
            ("requests", requests),
            ("interval", interval),
            ("work", work),
        ]);
        pairs
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn claims_hold_for_any_settings(pairs in any_params()) {
        let experiment = experiment(&pairs);
        let trace = experiment.simulate();
        assert_none_fails(&trace);
        prop_assert_eq!(to_json(&trace), to_json(&experiment.simulate()), "repeated runs are byte-identical");
    }
}

#[test]
fn presets_pass_and_exercise_every_check() {
    assert_presets_exercise_all_checks("cluster", |set| simulate(&with_few_users(set)));
}

#[test]
fn different_seeds_give_different_runs() {
    assert_seeds_differ("cluster");
}

#[test]
fn largest_run_drops_no_records() {
    let largest = [
        ("interval", "200"),
        ("workers", "8"),
        ("work", "200"),
        ("times", "fixed"),
        ("event", "reload"),
    ];
    for requests in ["2000", "200000"] {
        let trace = simulate(&[&largest[..], &[("requests", requests)]].concat());
        assert_eq!(trace.dropped, 0);
        let length = trace.events.len();
        assert!(length < TRACE_CAPACITY, "{length}");
        assert_none_fails(&trace);
        assert_eq!(ended_with(&trace, None).to_string(), requests);
    }
}

/// All requests are counted and timed, also those that are not recorded completely.
#[test]
fn unrecorded_requests_are_counted_and_timed() {
    let pairs = |requests| {
        [
            ("requests", requests),
            ("event", "kill"),
            ("interval", "20"),
        ]
    };
    let trace = simulate(&pairs("20000"));
    assert_none_fails(&trace);
    let summary = trace.summary();
    let front = trace.id("Front").unwrap();
    assert_eq!(summary.counters(front).finished(), 20_000);
    assert!(!summary.is_sample(front) && summary.is_sample(trace.id("Worker 1").unwrap()));
    let begins = |name: &str| {
        let id = trace.id(name).unwrap();
        let is_begin = |it: &&Event| it.source == id && it.phase == Phase::Begin;
        trace.events.iter().filter(is_begin).count()
    };
    assert!((1_900..2_100).contains(&begins("Front")));
    // The sample does not favour a worker.
    for worker in ["Worker 1", "Worker 2", "Worker 3"] {
        assert!((550..800).contains(&begins(worker)), "{}", begins(worker));
    }
    let lost: usize = figure(&trace, "Lost in flight").parse().unwrap();
    assert_eq!(ended_with(&trace, None) + lost, 20_000);
    let latencies = ["Request p50", "Request p99", "Request p99.9"].map(|name| {
        let latency = figure(&trace, name);
        let millis = latency.strip_suffix(" ms").expect(&latency);
        millis.parse::<f64>().unwrap()
    });
    assert!(latencies.is_sorted_by(|a, b| a < b), "{latencies:?}");
}

#[test]
fn rolling_reload_fails_no_request_but_restart_does() {
    let rolling = simulate(&[("event", "reload")]);
    assert_eq!(ended_with(&rolling, None), 120);
    let stopped = simulate(&[("event", "reload"), ("restart", "stop_then_start")]);
    assert!(ended_with(&stopped, Some("lost")) > 0);
    assert!(ended_with(&stopped, Some("rejected")) > 0);
    let bad = simulate(&[("event", "bad_reload")]);
    assert_eq!(ended_with(&bad, None), 120, "the old workers keep serving");
    let stopped = simulate(&[("event", "bad_reload"), ("restart", "stop_then_start")]);
    assert!(
        ended_with(&stopped, None) < 60,
        "most requests fail because no worker is left"
    );
}

#[test]
fn least_busy_loses_fewer_requests_to_a_hang() {
    let lost = |balance| {
        let pairs = [("event", "hang"), ("balance", balance), ("requests", "200")];
        ended_with(&simulate(&pairs), Some("lost"))
    };
    let (round_robin, least_busy) = (lost("round_robin"), lost("least_busy"));
    assert!(
        0 < least_busy && 2 * least_busy < round_robin,
        "lost with least_busy: {least_busy}, with round_robin: {round_robin}"
    );
}

/// With two workers and constant work, the queue fills and empties predictably.
#[test]
fn shared_queue_bounds_waiting_requests() {
    let load = [
        ("event", "none"),
        ("workers", "2"),
        ("requests", "12"),
        ("interval", "0"),
        ("work", "50"),
    ];
    for balance in ["round_robin", "least_busy", "shared_queue"] {
        for (queue, answered) in [("0", 2), ("8", 10), ("1000000", 12)] {
            let pairs: Vec<_> = [("balance", balance), ("queue", queue)]
                .into_iter()
                .chain(load)
                .collect();
            let trace = simulate(&pairs);
            assert_none_fails(&trace);
            assert_eq!(ended_with(&trace, None), answered, "{balance} {queue}");
            assert_eq!(ended_with(&trace, Some("rejected")), 12 - answered);
        }
    }
}

#[test]
fn checks_hold_if_a_sampled_run_rejects_requests() {
    for event in options("event") {
        for balance in options("balance") {
            for restart in options("restart") {
                let trace = simulate(&[
                    ("requests", "2500"),
                    ("queue", "3"),
                    ("event", event),
                    ("balance", balance),
                    ("restart", restart),
                ]);
                assert_none_fails(&trace);
                assert!(ended_with(&trace, Some("rejected")) > 0);
            }
        }
    }
}

#[test]
fn checks_hold_if_long_requests_look_like_hangs() {
    for event in options("event") {
        for restart in options("restart") {
            for (workers, requests) in [("1", "1000"), ("1", "4000"), ("3", "1000"), ("3", "4000")]
            {
                let trace = simulate(&[
                    ("requests", requests),
                    ("workers", workers),
                    ("times", "heavy_tailed"),
                    ("heartbeat", "500"),
                    ("interval", "50"),
                    ("event", event),
                    ("restart", restart),
                ]);
                assert_none_fails(&trace);
                let passed = support::checks_with_outcome(&trace, Outcome::Passed);
                assert!(passed.contains(&"hang-detected"), "{passed:?}");
            }
        }
    }
}

/// After a reload, the names of failed workers may belong to others.
#[test]
fn restarts_are_counted_per_worker_across_a_reload() {
    let trace = simulate(&[
        ("seed", "2"),
        ("requests", "1500"),
        ("workers", "2"),
        ("restarts", "2"),
        ("times", "heavy_tailed"),
        ("heartbeat", "500"),
        ("interval", "50"),
        ("event", "reload"),
    ]);
    assert_none_fails(&trace);
    let passed = support::checks_with_outcome(&trace, Outcome::Passed);
    assert!(passed.contains(&"gives-up"), "{passed:?}");
}

#[test]
fn every_record_is_narrated() {
    let scenario = scenario::find("cluster").unwrap();
    for preset in scenario.presets {
        let trace = simulate(&with_few_users(preset.set));
        assert_each_record_narrated(&trace);
    }
}
