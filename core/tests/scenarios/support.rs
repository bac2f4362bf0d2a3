//! Simulated runs and assertions that hold for every scenario.

use highwater::{
    scenario::{self, Experiment, Outcome, scaling_figures},
    trace::Trace,
};
use std::collections::BTreeSet;

/// Creates an experiment with these parameters.
pub(crate) fn experiment<V: AsRef<str>>(name: &str, pairs: &[(&str, V)]) -> Experiment {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in pairs {
        experiment.set(key, value.as_ref()).unwrap();
    }
    experiment
}

pub(crate) fn simulate(name: &str, pairs: &[(&str, &str)]) -> Trace {
    experiment(name, pairs).simulate()
}

/// Serializes a trace.
pub(crate) fn to_json(trace: &Trace) -> Vec<u8> {
    serde_json::to_vec(trace).unwrap()
}

/// Returns the names of the checks with this outcome.
pub(crate) fn checks_with_outcome(trace: &Trace, wanted: Outcome) -> Vec<&'static str> {
    let verdicts = scenario::find(&trace.scenario).unwrap().judge(trace);
    let matching = verdicts.iter().filter(|it| it.outcome == wanted);
    matching.map(|verdict| verdict.check).collect()
}

pub(crate) fn assert_none_fails(trace: &Trace) {
    for verdict in scenario::find(&trace.scenario).unwrap().judge(trace) {
        let is_failed = verdict.outcome == Outcome::Failed;
        assert!(!is_failed, "{:?} {verdict:?}", trace.params);
    }
}

/// Asserts that every check passes for some preset and fails for none.
pub(crate) fn assert_presets_exercise_all_checks(
    name: &str,
    simulate: impl Fn(&[(&str, &str)]) -> Trace,
) {
    let scenario = scenario::find(name).unwrap();
    let mut passed = BTreeSet::new();
    for preset in scenario.presets {
        let trace = simulate(preset.set);
        assert_none_fails(&trace);
        passed.extend(checks_with_outcome(&trace, Outcome::Passed));
    }
    let all: BTreeSet<_> = scenario.checks.iter().map(|check| check.name).collect();
    assert_eq!(passed, all);
}

/// Asserts that runs with different seeds differ in more than the seed.
pub(crate) fn assert_seeds_differ(name: &str) {
    let one = simulate(name, &[("seed", "1")]);
    let mut other = simulate(name, &[("seed", "2")]);
    other.seed = one.seed;
    assert_ne!(to_json(&one), to_json(&other));
}

/// Asserts that the narration of each record is one sentence.
pub(crate) fn assert_each_record_narrated(trace: &Trace) {
    let scenario = scenario::find(&trace.scenario).unwrap();
    for event in &trace.events {
        let sentence = (scenario.narrate)(trace, event);
        let is_one_sentence = sentence.ends_with('.') && !sentence.contains('?');
        assert!(is_one_sentence, "{sentence}");
    }
}

/// Returns the checks that fail after tampering with a run, and asserts that none
/// failed before.
pub(crate) fn checks_failed_by(
    name: &str,
    pairs: &[(&str, &str)],
    tamper: impl FnOnce(&mut Trace),
) -> Vec<&'static str> {
    let mut trace = simulate(name, pairs);
    assert_eq!(failed(&trace), [""; 0]);
    tamper(&mut trace);
    failed(&trace)
}

fn failed(trace: &Trace) -> Vec<&'static str> {
    checks_with_outcome(trace, Outcome::Failed)
}

/// Returns the figure called `name` of a run from the scaling chapter.
pub(crate) fn figure(trace: &Trace, name: &str) -> String {
    let figures = scaling_figures(trace);
    let figure = figures.iter().find(|(it, _)| it == name);
    figure
        .unwrap_or_else(|| panic!("no figure {name:?} in {figures:?}"))
        .1
        .clone()
}
