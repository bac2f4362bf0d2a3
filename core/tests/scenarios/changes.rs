//! Parameters that change in the midst of a run.

use crate::cases::cases;
use highwater::{
    scenario::{
        self, Change, Experiment, InputError, MAX_CHANGES, Outcome, Param, ParamKind, Scenario,
    },
    trace::{Event, RecordKind, Trace},
};
use proptest::prelude::*;
use std::time::Duration;

/// Another value than the default, so that there is something to see.
fn other_value(param: &Param) -> String {
    match param.kind {
        ParamKind::Integer { max, default, .. } if default < max => {
            (default * 3 + 10).min(max).to_string()
        }
        ParamKind::Integer { min, .. } => min.to_string(),
        ParamKind::Choice { options, .. } => options[1].to_owned(),
    }
}

fn live() -> impl Iterator<Item = (&'static Scenario, &'static Param)> {
    scenario::ALL.iter().flat_map(|scenario| {
        let params = scenario.params.iter().filter(|param| param.live);
        params.map(|param| (*scenario, param))
    })
}

/// Records with names in place of their numbers, which depend on who was named
/// before.
fn lines(trace: &Trace, events: &[Event]) -> Vec<String> {
    let name = |id: Option<_>| id.map_or("", |id| trace.name(id));
    let line = |event: &Event| {
        let (source, target) = (trace.name(event.source), name(event.target));
        let mut rest = *event;
        rest.source = trace.events[0].source;
        (rest.target, rest.failure) = (None, None);
        format!("{source} {target} {} {rest:?}", name(event.failure))
    };
    events.iter().map(line).collect()
}

fn assert_checks_hold(experiment: &Experiment, trace: &Trace) {
    for verdict in experiment.scenario().judge(trace) {
        let line = experiment.command_line();
        assert_ne!(verdict.outcome, Outcome::Failed, "{line}: {verdict:#?}");
    }
}

fn decoupling() -> Experiment {
    scenario::find("decoupling").unwrap().experiment()
}

#[test]
fn the_past_stays_as_it_was_and_the_future_does_not() {
    for (scenario, param) in live() {
        let what = format!("{} {}", scenario.name, param.key);
        let before = scenario.experiment().simulate();
        let length = before.events.last().unwrap().recorded_at();
        let at = Duration::from_millis(u64::try_from(length.as_millis() / 4).unwrap().max(1));
        let key = format!("{}@{}", param.key, at.as_millis());
        let mut changed = scenario.experiment();
        changed.set(&key, &other_value(param)).unwrap();
        let after = changed.simulate();

        let split = |trace: &Trace| {
            let is_past = |event: &Event| event.recorded_at() < at;
            let (past, future) = trace.events.split_at(trace.events.partition_point(is_past));
            let is_own = |event: &&Event| event.kind != RecordKind::Change;
            let future: Vec<_> = future.iter().filter(is_own).copied().collect();
            (lines(trace, past), lines(trace, &future))
        };
        let (before, after_it) = (split(&before), split(&after));
        assert!(before.0.len() > 3, "{what}: there is a past");
        assert_eq!(before.0, after_it.0, "{what}");
        assert_ne!(before.1, after_it.1, "{what}");
        assert_checks_hold(&changed, &after);
    }
}

#[test]
fn a_change_is_on_record_once_and_at_its_moment() {
    for (scenario, param) in live() {
        let mut experiment = scenario.experiment();
        let value = other_value(param);
        experiment
            .set(&format!("{}@100", param.key), &value)
            .unwrap();
        let trace = experiment.simulate();
        let changes = trace
            .events
            .iter()
            .filter(|it| it.kind == RecordKind::Change);
        let [change] = changes.collect::<Vec<_>>()[..] else {
            panic!("{}: not once", scenario.name);
        };
        let assignment = format!("{}={value}", param.key);
        assert_eq!(trace.name(change.target.unwrap()), assignment);
        assert_eq!(trace.name(change.source), "Operator");
        assert_eq!(change.subject, 100);
        assert!(change.at >= Duration::from_millis(100), "{change:?}");
        let sentence = scenario.sentence(&trace, change);
        assert_eq!(sentence, format!("Changed: {assignment}."));
        let summary = trace.summary();
        let mut sources = summary.sources();
        assert!(
            !sources.any(|it| it == change.source),
            "it is no part of the run"
        );
        let setting = (format!("{}@100", param.key), value);
        assert_eq!(trace.params.last(), Some(&setting));
    }
}

#[test]
fn every_scenario_over_time_has_something_to_turn() {
    for scenario in scenario::ALL {
        // It compares rounds, which a change in their midst would make void.
        let is_live = scenario.name != "threads";
        assert_eq!(
            scenario.params.iter().any(|it| it.live),
            is_live,
            "{}",
            scenario.name
        );
    }
}

/// A listener that begins after the moment works with the new value, even if nobody
/// else had a turn since.
#[test]
fn a_change_counts_from_its_moment_though_the_loop_is_held() {
    let mut experiment = scenario::find("observer").unwrap().experiment();
    for (key, value) in [("work", "1000"), ("interval", "0"), ("work@500", "10")] {
        experiment.set(key, value).unwrap();
    }
    let trace = experiment.simulate();
    let took = |name: &str| {
        let source = trace.id(name).unwrap();
        let mut events = trace.events.iter();
        let end = events.find(|it| {
            it.source == source && it.kind == RecordKind::Handle && !it.duration.is_zero()
        });
        end.unwrap().duration
    };
    assert!(
        took("Alarm") >= Duration::from_millis(800),
        "it had begun before"
    );
    assert!(took("Display") <= Duration::from_millis(12));
    let change = trace.events.iter().find(|it| it.kind == RecordKind::Change);
    assert!(
        change.unwrap().at > Duration::from_millis(800),
        "the loop was held"
    );
}

#[test]
fn a_moment_that_is_not_reached_changes_nothing() {
    let mut experiment = decoupling();
    let before = experiment.simulate();
    experiment.set("interval@1000000000", "1").unwrap();
    let after = experiment.simulate();
    assert_eq!(before.events, after.events);
    assert_eq!(before.names, after.names);
}

#[test]
fn the_last_of_several_changes_at_a_moment_counts() {
    let mut experiment = decoupling();
    let all = [
        ("interval@20", "7"),
        ("email_latency@5", "1"),
        ("interval@20", "9"),
    ];
    for (key, value) in all {
        experiment.set(key, value).unwrap();
    }
    let changes: Vec<_> = experiment.changes().iter().map(Change::setting).collect();
    let expected = [("email_latency@5", "1"), ("interval@20", "9")];
    assert_eq!(
        changes,
        expected.map(|(key, value)| (key.to_owned(), value.to_owned()))
    );
    assert_eq!(
        experiment.fragment(),
        "#/decoupling?seed=1&email_latency@5=1&interval@20=9"
    );
    assert_eq!(
        experiment.command_line(),
        "cargo run -p native -- run decoupling --set email_latency@5=1 --set interval@20=9 --seed 1"
    );
    assert_eq!(experiment.params().integer("interval"), 250, "at the start");
    let unchanged = experiment.scenario().experiment();
    assert_eq!(experiment.params(), unchanged.params(), "at the start");
}

#[test]
fn what_cannot_change_is_told_what_can() {
    let refused = |key: &str, value: &str| {
        let mut experiment = decoupling();
        let error = experiment.set(key, value).unwrap_err();
        assert!(experiment.changes().is_empty());
        error.to_string()
    };
    let reason =
        "cannot change while decoupling runs; these can: interval, email_latency, fail, fail_rate";
    for key in ["users", "seed"] {
        let expected = format!("{key} {reason}");
        assert_eq!(refused(&format!("{key}@100"), "5"), expected);
    }
    assert!(refused("emial_latency@100", "5").contains("did you mean \"email_latency\"?"));
    assert_eq!(
        refused("interval@100", "x"),
        "interval must be 0 to 10000 ms, not \"x\""
    );
    for moment in ["", "0", "-1", "1.5", "1000000001", "@1", "\n"] {
        let error = refused(&format!("interval@{moment}"), "5");
        let range = "change time must be 1 to 1000000000 ms, not ";
        assert!(error.starts_with(range), "{error}");
        assert!(!error.contains(char::is_control), "{error:?}");
    }
    let mut threads = scenario::find("threads").unwrap().experiment();
    let error = threads.set("size@100", "5").unwrap_err();
    assert_eq!(
        error.to_string(),
        "size cannot change while threads runs; these can: none"
    );
}

#[test]
fn there_are_not_more_changes_than_a_run_may_have() {
    let mut experiment = decoupling();
    for moment in 1..=MAX_CHANGES {
        experiment.set(&format!("interval@{moment}"), "5").unwrap();
    }
    let error = experiment.set("interval@1000", "5").unwrap_err();
    assert!(matches!(error, InputError::TooManyChanges), "{error}");
    assert_eq!(error.to_string(), "a run has at most 100 changes");
    experiment.set("interval@100", "6").unwrap();
    assert_eq!(experiment.changes().len(), MAX_CHANGES);
}

/// A preset of any scenario, with up to four changes of anything that is live.
fn experiment() -> impl Strategy<Value = Experiment> {
    let change = (any::<prop::sample::Index>(), 1..6_000_u64, any::<u64>());
    let changes = prop::collection::vec(change, 1..5);
    let any_of_all = any::<prop::sample::Index>();
    (
        any_of_all,
        any::<prop::sample::Index>(),
        0..100_u64,
        changes,
    )
        .prop_map(|(scenario, preset, seed, changes)| {
            let turned: Vec<_> = scenario::ALL
                .iter()
                .filter(|it| it.name != "threads")
                .collect();
            let scenario = *scenario.get(&turned);
            let mut experiment = scenario.experiment();
            for (key, value) in preset.get(scenario.presets).set {
                experiment.set(key, value).unwrap();
            }
            experiment.set("seed", &seed.to_string()).unwrap();
            let live: Vec<_> = scenario.params.iter().filter(|it| it.live).collect();
            for (param, at, pick) in changes {
                let param = param.get(&live);
                let value = match param.kind {
                    ParamKind::Integer { min, max, .. } => match pick % 4 {
                        0 => min,
                        1 => max,
                        _ => min + pick % (max - min + 1),
                    }
                    .to_string(),
                    ParamKind::Choice { options, .. } => {
                        let place = usize::try_from(pick % options.len() as u64).unwrap();
                        options[place].to_owned()
                    }
                };
                experiment
                    .set(&format!("{}@{at}", param.key), &value)
                    .unwrap();
            }
            experiment
        })
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn checks_hold_whatever_changes(experiment in experiment()) {
        assert_checks_hold(&experiment, &experiment.simulate());
    }

    #[test]
    fn an_address_names_the_changes_too(experiment in experiment()) {
        let fragment = experiment.fragment();
        let (name, query) = fragment[2..].split_once('?').unwrap();
        let pairs = query.split('&').map(|pair| pair.split_once('=').unwrap());
        let (read, ignored) = Experiment::from_pairs(name, pairs).unwrap();
        prop_assert!(ignored.is_empty(), "{:?}", ignored);
        prop_assert_eq!(read.changes(), experiment.changes());
        prop_assert_eq!(read.fragment(), fragment);
    }
}

#[test]
fn with_changes_too_a_run_is_exactly_repeatable() {
    let mut experiment = scenario::find("handler").unwrap().experiment();
    for (key, value) in [
        ("interval@700", "5"),
        ("latency@900", "200"),
        ("bug_every@1000", "7"),
    ] {
        experiment.set(key, value).unwrap();
    }
    let (first, again) = (experiment.simulate(), experiment.simulate());
    assert!(first == again);
    assert_checks_hold(&experiment, &first);
}
