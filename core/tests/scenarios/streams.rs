//! `backpressure` and `pipeline` in simulated time: whatever is set, all that
//! they claim holds.

use highwater::{
    scenario::{self, Experiment, Outcome},
    trace::{Kind, Trace},
};
use proptest::prelude::*;

fn experiment<V: AsRef<str>>(name: &str, pairs: &[(&str, V)]) -> Experiment {
    let mut experiment = scenario::find(name).unwrap().experiment();
    for (key, value) in pairs {
        experiment.set(key, value.as_ref()).unwrap();
    }
    experiment
}

fn outcomes(trace: &Trace, wanted: Outcome) -> Vec<&'static str> {
    let verdicts = scenario::find(&trace.scenario).unwrap().judge(trace);
    let with = verdicts.iter().filter(|it| it.outcome == wanted);
    with.map(|verdict| verdict.check).collect()
}

/// The most a queue held, in bytes.
fn peak(trace: &Trace) -> u64 {
    let levels = trace.events.iter().filter(|it| it.kind == Kind::Level);
    levels.map(|it| it.subject).max().unwrap_or(0)
}

#[test]
fn every_check_is_passed_by_some_preset_and_failed_by_none() {
    for name in ["backpressure", "pipeline"] {
        let scenario = scenario::find(name).unwrap();
        let mut passed = Vec::new();
        for preset in scenario.presets {
            let trace = experiment(name, preset.set).simulate();
            let failed = outcomes(&trace, Outcome::Failed);
            assert_eq!(failed, [""; 0], "{}", preset.title);
            passed.extend(outcomes(&trace, Outcome::Passed));
        }
        let mut checks = scenario.checks.iter();
        assert!(checks.all(|it| passed.contains(&it.name)), "{passed:?}");
    }
}

#[test]
fn a_hundred_times_the_input_has_the_same_peak_unless_the_mark_is_ignored() {
    let with = |chunks, heed| {
        let pairs = [
            ("chunks", chunks),
            ("heed", heed),
            ("chunk", "4"),
            ("mark", "16"),
        ];
        peak(&experiment("backpressure", &pairs).simulate())
    };
    assert_eq!(with("20", "wait"), with("2000", "wait"));
    assert!(with("2000", "ignore") > 90 * with("20", "ignore"));

    let with =
        |lines| peak(&experiment("pipeline", &[("lines", lines), ("write", "60")]).simulate());
    assert_eq!(with("2000"), with("50000"));
}

#[test]
fn the_greatest_runs_lose_no_record() {
    let backpressure = [
        ("chunks", "2000"),
        ("chunk", "1"),
        ("mark", "1"),
        ("read", "0"),
    ];
    let pipeline = [("lines", "50000"), ("read", "0"), ("chunk", "1")];
    for (name, pairs) in [
        ("backpressure", &backpressure[..]),
        ("pipeline", &pipeline[..]),
    ] {
        let trace = experiment(name, pairs).simulate();
        assert_eq!((trace.dropped, &trace.died), (0, &None));
        assert_eq!(outcomes(&trace, Outcome::Failed), [""; 0]);
    }
}

fn number(range: std::ops::RangeInclusive<u64>) -> impl Strategy<Value = String> {
    range.prop_map(|number| number.to_string())
}

fn word(words: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(words).prop_map(str::to_owned)
}

fn holds(experiment: &Experiment) -> Result<(), TestCaseError> {
    let trace = experiment.simulate();
    prop_assert_eq!((trace.dropped, &trace.died), (0, &None));
    let verdicts = experiment.scenario().judge(&trace);
    let failed: Vec<_> = verdicts
        .iter()
        .filter(|it| it.outcome == Outcome::Failed)
        .collect();
    prop_assert!(failed.is_empty(), "{:?}", failed);
    prop_assert_eq!(&trace, &experiment.simulate(), "the same run again");
    for event in &trace.events {
        let sentence = (experiment.scenario().narrate)(&trace, event);
        let is_one = sentence.ends_with('.') && !sentence.contains('?');
        prop_assert!(is_one, "{}", sentence);
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn backpressure_holds_whatever_is_set(
        choices in (
            word(&["wait", "ignore"]),
            word(&["wait", "drop-oldest", "drop-newest", "latest", "fail"]),
            word(&["nothing", "stall", "burst", "error"]),
        ),
        mark in number(1..=300),
        chunk in number(1..=64),
        chunks in number(1..=70),
        read in prop_oneof![number(0..=0), number(1..=50)],
        write in prop_oneof![number(0..=0), number(1..=50)],
        seed in number(0..=1000),
    ) {
        let (heed, overflow, inject) = choices;
        let pairs = [
            ("heed", heed), ("overflow", overflow), ("inject", inject), ("mark", mark),
            ("chunk", chunk), ("chunks", chunks), ("read", read), ("write", write), ("seed", seed),
        ];
        holds(&experiment("backpressure", &pairs))?;
    }

    #[test]
    fn pipeline_holds_whatever_is_set(
        connect in word(&["pipeline", "pipe"]),
        fail in word(&["none", "read", "parse", "compress", "write"]),
        lines in number(1..=700),
        sizes in (number(1..=8), number(1..=12), number(1..=5)),
        times in (number(0..=20), number(0..=20), number(0..=20)),
        seed in number(0..=1000),
    ) {
        let ((chunk, mark, window), (read, compress, write)) = (sizes, times);
        let pairs = [
            ("connect", connect), ("fail", fail), ("lines", lines), ("chunk", chunk),
            ("mark", mark), ("window", window), ("read", read), ("compress", compress),
            ("write", write), ("seed", seed),
        ];
        holds(&experiment("pipeline", &pairs))?;
    }
}
