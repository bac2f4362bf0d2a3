//! `taxonomy` and `handler` in simulated time: their claims hold for any settings.

use crate::strategies::{number, one_of, zero_small_or_large};
use crate::support::{
    assert_each_record_narrated, assert_none_fails, assert_presets_exercise_all_checks,
    assert_seeds_differ, experiment, simulate, to_json,
};
use highwater::{
    scenario::{self, TRACE_CAPACITY, Tally},
    trace::{RecordKind, Trace},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const NAMES: [&str; 2] = ["taxonomy", "handler"];

fn assert_holds(trace: &Trace) {
    assert_none_fails(trace);
    let tally = Tally::of(trace);
    assert_eq!(tally.answered() + tally.lost, tally.requests);
    assert_eq!(tally.in_flight(), 0);
    if trace.param("design") != "catch_all" {
        assert_eq!((tally.logged, tally.exposed), (tally.errors, 0));
    }
}

fn taxonomy() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let choices = (one_of(&["classified", "catch_all"]), one_of(&["on", "off"]));
    let numbers = (
        number(1..=60),
        zero_small_or_large(100, 1_000),
        zero_small_or_large(100, 1_000),
        zero_small_or_large(2_000, 10_000),
        number(1..=5),
        zero_small_or_large(50, 100),
        number(0..=1_000_000),
    );
    let shares = prop::collection::vec(zero_small_or_large(30, 100), 6);
    (choices, numbers, shares).prop_map(|(choices, numbers, shares)| {
        let (requests, interval, latency, outage, attempts, budget, seed) = numbers;
        let mut pairs = vec![
            ("design", choices.0),
            ("breaker", choices.1),
            ("requests", requests),
            ("interval", interval),
            ("latency", latency),
            ("outage", outage),
            ("attempts", attempts),
            ("budget", budget),
            ("seed", seed),
        ];
        let keys = [
            "invalid",
            "not_found",
            "conflict",
            "rate_limited",
            "timeout",
            "bug",
        ];
        pairs.extend(keys.into_iter().zip(shares));
        pairs
    })
}

fn handler() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let choices = (
        one_of(&["supervise", "crash", "swallow"]),
        one_of(&["nothing", "everything"]),
    );
    let numbers = (
        number(1..=4),
        number(1..=60),
        zero_small_or_large(100, 1_000),
        zero_small_or_large(100, 1_000),
        prop_oneof![number(0..=0), number(1..=5), number(6..=40)],
        zero_small_or_large(50, 100),
        number(0..=20),
        number(0..=1_000_000),
    );
    (choices, numbers).prop_map(|(choices, numbers)| {
        let (workers, requests, interval, latency, bug_every, operational, restarts, seed) =
            numbers;
        vec![
            ("policy", choices.0),
            ("retry", choices.1),
            ("workers", workers),
            ("requests", requests),
            ("interval", interval),
            ("latency", latency),
            ("bug_every", bug_every),
            ("operational", operational),
            ("restarts", restarts),
            ("seed", seed),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn taxonomy_claims_hold_for_any_settings(pairs in taxonomy()) {
        let experiment = experiment("taxonomy", &pairs);
        let trace = experiment.simulate();
        assert_holds(&trace);
        prop_assert_eq!(to_json(&trace), to_json(&experiment.simulate()), "repeated runs are byte-identical");
    }

    #[test]
    fn handler_claims_hold_for_any_settings(pairs in handler()) {
        let experiment = experiment("handler", &pairs);
        let trace = experiment.simulate();
        assert_holds(&trace);
        prop_assert_eq!(to_json(&trace), to_json(&experiment.simulate()), "repeated runs are byte-identical");
    }
}

#[test]
fn presets_hold() {
    for name in NAMES {
        for preset in scenario::find(name).unwrap().presets {
            assert_holds(&simulate(name, preset.set));
        }
    }
}

#[test]
fn presets_exercise_every_check() {
    for name in NAMES {
        assert_presets_exercise_all_checks(name, |set| simulate(name, set));
    }
}

#[test]
fn different_seeds_give_different_runs() {
    for name in NAMES {
        assert_seeds_differ(name);
    }
}

#[test]
fn largest_run_drops_no_records() {
    let retried = [
        ("design", "catch_all"),
        ("attempts", "5"),
        ("outage", "10000"),
    ];
    let swallowed = [
        ("policy", "swallow"),
        ("retry", "everything"),
        ("bug_every", "2"),
    ];
    // A draining worker hands back the requests it has not started.
    let handed_back = [("latency", "1000"), ("restarts", "20"), ("bug_every", "50")];
    let largest: [(_, &[_]); 3] = [
        ("taxonomy", &retried),
        ("handler", &swallowed),
        ("handler", &handed_back),
    ];
    for (name, pairs) in largest {
        let mut experiment = experiment(name, pairs);
        experiment.set("requests", "2000").unwrap();
        experiment.set("interval", "0").unwrap();
        let trace = experiment.simulate();
        assert_eq!(trace.dropped, 0);
        let length = trace.events.len();
        assert!(length < TRACE_CAPACITY, "{length}");
        assert_holds(&trace);
    }
}

/// Compares the policies on the same three bugs.
#[test]
fn swallowed_bug_returns_wrong_answers() {
    let tally = |pairs: &[(&str, &str)]| Tally::of(&simulate("handler", pairs));
    let supervised = tally(&[]);
    let swallowed = tally(&[("policy", "swallow")]);
    let crashed = tally(&[("policy", "crash")]);
    assert_eq!(supervised.availability(), swallowed.availability());
    assert_eq!((supervised.wrong, supervised.lost), (0, 0));
    assert_eq!((supervised.crashes, supervised.restarts), (3, 3));
    assert!(swallowed.wrong > 10, "{swallowed:?}");
    assert_eq!((swallowed.crashes, swallowed.restarts), (0, 0));
    assert!(crashed.lost > 0 && crashed.restarts == 0, "{crashed:?}");
    assert!(crashed.availability() < supervised.availability());
}

#[test]
fn retried_bugs_multiply_load_and_crashes() {
    let tally = |pairs: &[(&str, &str)]| Tally::of(&simulate("handler", pairs));
    let without_retries = tally(&[("workers", "4")]);
    let restarts = ("restarts", "2");
    let retried = tally(&[("workers", "4"), ("retry", "everything"), restarts]);
    assert!(
        retried.crashes >= 2 * without_retries.crashes,
        "{retried:?}"
    );
    assert!(retried.availability() < without_retries.availability());
    let amplification = |pairs| tally(pairs).amplification();
    let operational = [("operational", "0"), ("workers", "4"), ("restarts", "20")];
    assert_eq!(amplification(&operational), Some(100));
    let [a, b, c] = operational;
    assert_eq!(
        amplification(&[a, b, c, ("retry", "everything")]),
        Some(110),
        "66 attempts for 60 requests"
    );
}

#[test]
fn every_record_is_narrated() {
    for name in NAMES {
        let scenario = scenario::find(name).unwrap();
        let mut kinds_seen = BTreeSet::new();
        for preset in scenario.presets {
            let trace = simulate(name, preset.set);
            assert_each_record_narrated(&trace);
            for event in &trace.events {
                let sentence = (scenario.narrate)(&trace, event);
                // Only `Handle` uses the default sentence.
                let is_default_sentence = sentence.contains(" completes request ")
                    || sentence.contains(" fails request ");
                assert!(
                    !is_default_sentence || event.kind == RecordKind::Handle,
                    "{sentence}"
                );
                kinds_seen.insert(event.kind);
            }
        }
        let kinds = [
            RecordKind::Start,
            RecordKind::Request,
            RecordKind::Handle,
            RecordKind::Log,
            RecordKind::Retry,
        ];
        assert!(
            kinds.iter().all(|kind| kinds_seen.contains(kind)),
            "{kinds_seen:?}"
        );
    }
}

#[test]
fn only_recent_crashes_count_towards_giving_up() {
    // At 900 ms between requests, restarts spread over more than the period.
    let settings = [("3", "4"), ("4", "3"), ("5", "2")];
    for (bug_every, restarts) in settings {
        for interval in ["900", "1000"] {
            for seed in ["1", "2", "3"] {
                assert_holds(&simulate(
                    "handler",
                    &[
                        ("workers", "1"),
                        ("requests", "60"),
                        ("interval", interval),
                        ("bug_every", bug_every),
                        ("restarts", restarts),
                        ("seed", seed),
                    ],
                ));
            }
        }
    }
}
