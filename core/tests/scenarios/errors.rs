//! `taxonomy` and `handler` in simulated time: whatever is set, all that they
//! claim holds.

use crate::strategies::{number, some, word};
use crate::support::{
    assert_each_record_narrated, assert_none_fails, assert_presets_show_all, assert_seeds_differ,
    bytes, experiment, simulate,
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
    let how = (word(&["classified", "catch_all"]), word(&["on", "off"]));
    let numbers = (
        number(1..=60),
        some(100, 1_000),
        some(100, 1_000),
        some(2_000, 10_000),
        number(1..=5),
        some(50, 100),
        number(0..=1_000_000),
    );
    let shares = prop::collection::vec(some(30, 100), 6);
    (how, numbers, shares).prop_map(|(how, numbers, shares)| {
        let (requests, interval, latency, outage, attempts, budget, seed) = numbers;
        let mut pairs = vec![
            ("design", how.0),
            ("breaker", how.1),
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
    let how = (
        word(&["supervise", "crash", "swallow"]),
        word(&["nothing", "everything"]),
    );
    let numbers = (
        number(1..=4),
        number(1..=60),
        some(100, 1_000),
        some(100, 1_000),
        prop_oneof![number(0..=0), number(1..=5), number(6..=40)],
        some(50, 100),
        number(0..=20),
        number(0..=1_000_000),
    );
    (how, numbers).prop_map(|(how, numbers)| {
        let (workers, requests, interval, latency, bug_every, operational, restarts, seed) =
            numbers;
        vec![
            ("policy", how.0),
            ("retry", how.1),
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
    fn whatever_is_set_in_taxonomy_what_it_claims_holds(pairs in taxonomy()) {
        let experiment = experiment("taxonomy", &pairs);
        let trace = experiment.simulate();
        assert_holds(&trace);
        prop_assert_eq!(bytes(&trace), bytes(&experiment.simulate()), "byte for byte");
    }

    #[test]
    fn whatever_is_set_in_handler_what_it_claims_holds(pairs in handler()) {
        let experiment = experiment("handler", &pairs);
        let trace = experiment.simulate();
        assert_holds(&trace);
        prop_assert_eq!(bytes(&trace), bytes(&experiment.simulate()), "byte for byte");
    }
}

#[test]
fn every_preset_holds() {
    for name in NAMES {
        for preset in scenario::find(name).unwrap().presets {
            assert_holds(&simulate(name, preset.set));
        }
    }
}

#[test]
fn the_presets_show_something_in_every_check() {
    for name in NAMES {
        assert_presets_show_all(name, |set| simulate(name, set));
    }
}

#[test]
fn another_seed_is_another_run() {
    for name in NAMES {
        assert_seeds_differ(name);
    }
}

#[test]
fn the_greatest_run_loses_no_record() {
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
    // Whatever a worker has not begun when it drains goes to another.
    let handed_back = [("latency", "1000"), ("restarts", "20"), ("bug_every", "50")];
    let greatest: [(_, &[_]); 3] = [
        ("taxonomy", &retried),
        ("handler", &swallowed),
        ("handler", &handed_back),
    ];
    for (name, pairs) in greatest {
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

/// What becomes of requests under each policy, with the same three bugs.
#[test]
fn a_swallowed_bug_is_green_and_wrong() {
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
fn a_retried_bug_multiplies_the_load_and_takes_the_cluster_down() {
    let tally = |pairs: &[(&str, &str)]| Tally::of(&simulate("handler", pairs));
    let spared = tally(&[("workers", "4")]);
    let few = ("restarts", "2");
    let retried = tally(&[("workers", "4"), ("retry", "everything"), few]);
    assert!(retried.crashes >= 2 * spared.crashes, "{retried:?}");
    assert!(retried.availability() < spared.availability());
    let load = |pairs| tally(pairs).amplification();
    let operational = [("operational", "0"), ("workers", "4"), ("restarts", "20")];
    assert_eq!(load(&operational), Some(100));
    let [a, b, c] = operational;
    assert_eq!(
        load(&[a, b, c, ("retry", "everything")]),
        Some(110),
        "66 for 60"
    );
}

/// What was recorded can be told.
#[test]
fn every_record_is_a_sentence_of_its_own_kind() {
    for name in NAMES {
        let scenario = scenario::find(name).unwrap();
        let mut told = BTreeSet::new();
        for preset in scenario.presets {
            let trace = simulate(name, preset.set);
            assert_each_record_narrated(&trace);
            for event in &trace.events {
                let sentence = (scenario.narrate)(&trace, event);
                // Each kind has words of its own: the default is for work alone.
                let is_work =
                    sentence.contains(" is done with ") || sentence.contains(" failed at ");
                assert!(!is_work || event.kind == RecordKind::Handle, "{sentence}");
                told.insert(event.kind);
            }
        }
        let kinds = [
            RecordKind::Start,
            RecordKind::Request,
            RecordKind::Handle,
            RecordKind::Log,
            RecordKind::Retry,
        ];
        assert!(kinds.iter().all(|kind| told.contains(kind)), "{told:?}");
    }
}
