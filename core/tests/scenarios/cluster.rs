//! `cluster` in simulated time: whatever is set, all that it claims holds.

use crate::strategies::{cluster_params, number, some};
use crate::support::{
    self, assert_each_record_narrated, assert_none_fails, assert_presets_show_all,
    assert_seeds_differ, bytes,
};
use highwater::{
    scenario::{self, Experiment, TRACE_CAPACITY},
    trace::{Phase, RecordKind, Trace},
};
use proptest::prelude::*;

fn experiment<V: AsRef<str>>(pairs: &[(&str, V)]) -> Experiment {
    support::experiment("cluster", pairs)
}

fn simulate(pairs: &[(&str, &str)]) -> Trace {
    experiment(pairs).simulate()
}

/// A preset as it is, but with a thousandth of the users.
fn quick<'a>(set: &[(&'a str, &'a str)]) -> Vec<(&'a str, &'a str)> {
    let mut set = set.to_vec();
    if set.iter().any(|(key, _)| *key == "users") {
        set.extend([("users", "3000"), ("think", "500")]);
    }
    set
}

/// How many requests ended so; `None` for well.
fn ended_with(trace: &Trace, failure: Option<&str>) -> usize {
    let is_end = |it: &&highwater::trace::Event| {
        (it.kind, it.phase) == (RecordKind::Request, Phase::End)
            && it.failure.map(|id| trace.name(id)) == failure
    };
    trace.events.iter().filter(is_end).count()
}

fn anything() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let load = (number(1..=80), some(30, 200), some(50, 200));
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
    fn whatever_is_set_what_it_claims_holds(pairs in anything()) {
        let experiment = experiment(&pairs);
        let trace = experiment.simulate();
        assert_none_fails(&trace);
        prop_assert_eq!(bytes(&trace), bytes(&experiment.simulate()), "byte for byte");
    }
}

#[test]
fn every_preset_holds_and_together_they_show_every_check() {
    assert_presets_show_all("cluster", |set| simulate(&quick(set)));
}

#[test]
fn another_seed_is_another_run() {
    assert_seeds_differ("cluster");
}

#[test]
fn the_greatest_run_loses_no_record() {
    let greatest = [
        ("requests", "2000"),
        ("interval", "200"),
        ("workers", "8"),
        ("work", "200"),
        ("event", "reload"),
    ];
    let trace = simulate(&greatest);
    assert_eq!(trace.dropped, 0);
    let length = trace.events.len();
    assert!(length < TRACE_CAPACITY, "{length}");
    assert_none_fails(&trace);
}

/// The same event at the same time, carried out in two ways.
#[test]
fn a_rolling_reload_fails_nothing_and_a_restart_does() {
    let rolling = simulate(&[("event", "reload")]);
    assert_eq!(ended_with(&rolling, None), 120);
    let stopped = simulate(&[("event", "reload"), ("restart", "stop_then_start")]);
    assert!(ended_with(&stopped, Some("lost")) > 0);
    assert!(ended_with(&stopped, Some("refused")) > 0);
    let bad = simulate(&[("event", "bad_reload")]);
    assert_eq!(ended_with(&bad, None), 120, "the old ones are there");
    let stopped = simulate(&[("event", "bad_reload"), ("restart", "stop_then_start")]);
    assert!(ended_with(&stopped, None) < 60, "nobody is");
}

#[test]
fn who_spares_the_busy_loses_less_to_one_that_hangs() {
    let lost = |balance| {
        let pairs = [("event", "hang"), ("balance", balance), ("requests", "200")];
        ended_with(&simulate(&pairs), Some("lost"))
    };
    let (in_turn, spared) = (lost("round_robin"), lost("least_busy"));
    assert!(0 < spared && 2 * spared < in_turn, "{spared} of {in_turn}");
}

/// What was recorded can be told.
#[test]
fn every_record_is_a_sentence_of_its_own_kind() {
    let scenario = scenario::find("cluster").unwrap();
    for preset in scenario.presets {
        let trace = simulate(&quick(preset.set));
        assert_each_record_narrated(&trace);
    }
}
