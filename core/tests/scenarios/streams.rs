//! `backpressure` and `pipeline` in simulated time: their claims hold for any
//! settings.

use crate::strategies::{number, one_of};
use crate::support::{
    assert_each_record_narrated, assert_presets_exercise_all_checks, checks_with_outcome,
    experiment, simulate,
};
use highwater::{
    scenario::{Experiment, Outcome},
    trace::{RecordKind, Trace},
};
use proptest::prelude::*;

/// Returns the peak level of the queue, in bytes.
fn peak(trace: &Trace) -> u64 {
    let levels = trace
        .events
        .iter()
        .filter(|it| it.kind == RecordKind::Level);
    levels.map(|it| it.subject).max().unwrap_or(0)
}

#[test]
fn presets_pass_and_exercise_every_check() {
    for name in ["backpressure", "pipeline"] {
        assert_presets_exercise_all_checks(name, |set| simulate(name, set));
    }
}

#[test]
fn peak_grows_with_input_only_if_mark_is_ignored() {
    let with = |chunks, heed| {
        let pairs = [
            ("chunks", chunks),
            ("heed", heed),
            ("chunk", "4"),
            ("mark", "16"),
        ];
        peak(&simulate("backpressure", &pairs))
    };
    assert_eq!(with("20", "wait"), with("2000", "wait"));
    assert!(with("2000", "ignore") > 90 * with("20", "ignore"));

    let with = |lines| peak(&simulate("pipeline", &[("lines", lines), ("write", "60")]));
    assert_eq!(with("2000"), with("50000"));
}

#[test]
fn largest_runs_drop_no_records() {
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
        let trace = simulate(name, pairs);
        assert_eq!((trace.dropped, &trace.died), (0, &None));
        assert_eq!(checks_with_outcome(&trace, Outcome::Failed), [""; 0]);
    }
}

fn check_run(experiment: &Experiment) -> Result<(), TestCaseError> {
    let trace = experiment.simulate();
    prop_assert_eq!((trace.dropped, &trace.died), (0, &None));
    prop_assert_eq!(checks_with_outcome(&trace, Outcome::Failed), [""; 0]);
    prop_assert_eq!(
        &trace,
        &experiment.simulate(),
        "repeated runs are identical"
    );
    assert_each_record_narrated(&trace);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn backpressure_claims_hold_for_any_settings(
        choices in (
            one_of(&["wait", "ignore"]),
            one_of(&["wait", "drop-oldest", "drop-newest", "latest", "fail"]),
            one_of(&["nothing", "stall", "burst", "error"]),
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
        check_run(&experiment("backpressure", &pairs))?;
    }

    #[test]
    fn pipeline_claims_hold_for_any_settings(
        connect in one_of(&["pipeline", "pipe"]),
        fail in one_of(&["none", "read", "parse", "compress", "write"]),
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
        check_run(&experiment("pipeline", &pairs))?;
    }
}
