//! Parameter changes during a run.

use crate::{cases::cases, strategies::random_value};
use highwater::{
    scenario::{
        self, Change, Experiment, InputError, MAX_CHANGES, Outcome, Param, ParamKind, Scenario,
    },
    trace::{Event, RecordKind, Trace},
};
use proptest::prelude::*;
use std::time::Duration;

/// Returns a value other than the default, so that a change has an effect.
fn other_value(param: &Param) -> String {
    match param.kind {
        ParamKind::Integer { max, default, .. } if default < max => {
            (default * 3 + 10).min(max).to_string()
        }
        ParamKind::Integer { min, .. } => min.to_string(),
        ParamKind::Decimal { max, .. } => max.to_string(),
        ParamKind::Choice { options, .. } => options[1].to_owned(),
    }
}

fn live() -> impl Iterator<Item = (&'static Scenario, &'static Param)> {
    scenario::ALL.iter().flat_map(|scenario| {
        let params = scenario.params.iter().filter(|param| param.live);
        params.map(|param| (*scenario, param))
    })
}

/// Formats records with names instead of ids, since ids depend on the order of
/// registration.
fn formatted(trace: &Trace, events: &[Event]) -> Vec<String> {
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
fn change_affects_only_later_records() {
    for (scenario, param) in live() {
        let label = format!("{} {}", scenario.name, param.key);
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
            (formatted(trace, past), formatted(trace, &future))
        };
        let (before_split, after_split) = (split(&before), split(&after));
        assert!(
            before_split.0.len() > 3,
            "{label}: no records before the change"
        );
        assert_eq!(before_split.0, after_split.0, "{label}");
        assert_ne!(before_split.1, after_split.1, "{label}");
        assert_checks_hold(&changed, &after);
    }
}

#[test]
fn change_is_recorded_once_at_its_time() {
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
            panic!("{}: expected one change", scenario.name);
        };
        let assignment = format!("{}={value}", param.key);
        assert_eq!(trace.name(change.target.unwrap()), assignment);
        assert_eq!(trace.name(change.source), "Operator");
        assert_eq!(change.subject, 100);
        // A blocked loop records the change when it continues.
        let is_blocked = trace.events.iter().any(|it| {
            let at = Duration::from_millis(100);
            it.thread == 0 && !it.duration.is_zero() && it.at < at && change.at <= it.recorded_at()
        });
        assert!(
            is_blocked || change.at == Duration::from_millis(100),
            "{}: {change:?}",
            scenario.name
        );
        let sentence = scenario.sentence(&trace, change);
        assert_eq!(sentence, format!("Changed: {assignment}."));
        let summary = trace.summary();
        let mut sources = summary.sources();
        assert!(
            !sources.any(|it| it == change.source),
            "the summary excludes the operator"
        );
        let setting = (format!("{}@100", param.key), value);
        assert_eq!(trace.params.last(), Some(&setting));
    }
}

#[test]
fn all_scenarios_except_threads_have_live_params() {
    for scenario in scenario::ALL {
        // `threads` compares rounds, and a change between them would make the
        // comparison invalid.
        let is_live = scenario.name != "threads";
        assert_eq!(
            scenario.params.iter().any(|it| it.live),
            is_live,
            "{}",
            scenario.name
        );
    }
}

/// A listener that starts after the change uses the new value, even if the loop was
/// blocked until then.
#[test]
fn change_takes_effect_while_the_loop_is_blocked() {
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
        "Alarm started before the change"
    );
    assert!(took("Display") <= Duration::from_millis(12));
    let change = trace.events.iter().find(|it| it.kind == RecordKind::Change);
    assert!(
        change.unwrap().at > Duration::from_millis(800),
        "the change is recorded when the loop is free again"
    );
}

#[test]
fn change_after_the_end_has_no_effect() {
    let mut experiment = decoupling();
    let before = experiment.simulate();
    experiment.set("interval@1000000000", "1").unwrap();
    let after = experiment.simulate();
    assert_eq!(before.events, after.events);
    assert_eq!(before.names, after.names);
}

#[test]
fn last_change_at_the_same_time_wins() {
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
    assert_eq!(
        experiment.params().integer("interval"),
        250,
        "changes do not affect the initial values"
    );
    let unchanged = experiment.scenario().experiment();
    assert_eq!(
        experiment.params(),
        unchanged.params(),
        "changes do not affect the initial values"
    );
}

#[test]
fn not_live_error_lists_live_params() {
    let error_of = |key: &str, value: &str| {
        let mut experiment = decoupling();
        let error = experiment.set(key, value).unwrap_err();
        assert!(experiment.changes().is_empty());
        error.to_string()
    };
    let reason =
        "cannot change while decoupling runs; these can: interval, email_latency, fail, fail_rate";
    for key in ["users", "seed"] {
        let expected = format!("{key} {reason}");
        assert_eq!(error_of(&format!("{key}@100"), "5"), expected);
    }
    assert!(error_of("emial_latency@100", "5").contains("did you mean \"email_latency\"?"));
    assert_eq!(
        error_of("interval@100", "x"),
        "interval must be 0 to 10000 ms, not \"x\""
    );
    for time in ["", "0", "-1", "1.5", "1000000001", "@1", "\n"] {
        let error = error_of(&format!("interval@{time}"), "5");
        assert!(error.starts_with("change time must be "), "{error}");
        assert!(error.contains("1 to 1000000000 ms, not "), "{error}");
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
fn number_of_changes_is_limited() {
    let mut experiment = decoupling();
    for time in 1..=MAX_CHANGES {
        experiment.set(&format!("interval@{time}"), "5").unwrap();
    }
    let error = experiment.set("interval@1000", "5").unwrap_err();
    assert!(matches!(error, InputError::TooManyChanges), "{error}");
    assert_eq!(error.to_string(), "a run has at most 100 changes");
    experiment.set("interval@100", "6").unwrap();
    assert_eq!(experiment.changes().len(), MAX_CHANGES);
}

/// A preset of any scenario with up to four changes of live parameters.
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
            let with_live_params: Vec<_> = scenario::ALL
                .iter()
                .filter(|it| it.name != "threads")
                .collect();
            let scenario = *scenario.get(&with_live_params);
            let mut experiment = scenario.experiment();
            for (key, value) in preset.get(scenario.presets).set {
                experiment.set(key, value).unwrap();
            }
            experiment.set("seed", &seed.to_string()).unwrap();
            let live: Vec<_> = scenario.params.iter().filter(|it| it.live).collect();
            for (param, at, pick) in changes {
                let param = param.get(&live);
                let (key, value) = (format!("{}@{at}", param.key), random_value(param, pick));
                experiment.set(&key, &value).unwrap();
            }
            experiment
        })
}

proptest! {
    #![proptest_config(cases(200))]

    #[test]
    fn checks_hold_with_any_changes(experiment in experiment()) {
        assert_checks_hold(&experiment, &experiment.simulate());
    }

    #[test]
    fn address_includes_changes(experiment in experiment()) {
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
fn run_with_changes_is_deterministic() {
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
