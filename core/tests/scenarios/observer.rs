//! `observer` in simulated time: its claims hold for any settings, and each check
//! can fail.

use crate::support::{
    self, assert_each_record_narrated, assert_presets_exercise_all_checks, checks_with_outcome,
};
use highwater::{
    scenario::{Experiment, Outcome},
    trace::{Event, Phase, RecordKind, Trace},
};
use proptest::prelude::*;

fn experiment<V: AsRef<str>>(pairs: &[(&str, V)]) -> Experiment {
    support::experiment("observer", pairs)
}

/// Returns the listeners called with a reading, in order.
fn called(trace: &Trace, reading: u64) -> Vec<&str> {
    let is_delivery =
        |event: &&Event| event.kind == RecordKind::Deliver && event.subject == reading;
    let deliveries = trace.events.iter().filter(is_delivery);
    deliveries
        .map(|it| trace.name(it.target.unwrap()))
        .collect()
}

#[test]
fn calls_follow_the_listener_rules() {
    let all = ["Alarm", "Display", "Logger", "Calibration"];
    let trace = experiment::<&str>(&[]).simulate();
    assert_eq!(called(&trace, 1), all);
    assert_eq!(called(&trace, 2), all[..3]);
    assert_eq!(
        called(&trace, 3),
        all[..3],
        "Logger is removed during this emit"
    );
    for reading in 4..=6 {
        assert_eq!(called(&trace, reading), ["Alarm", "Display", "Newcomer"]);
    }
    let live = experiment(&[("removal", "live")]).simulate();
    assert_eq!(called(&live, 3), all[..2]);
    // The second reading is emitted during the first.
    let nested = experiment(&[("reentry", "alarm"), ("readings", "1")]).simulate();
    assert_eq!(called(&nested, 2), all);
    assert_eq!(
        called(&nested, 1),
        all[..3],
        "the nested emit already called Calibration"
    );
    let stopped = experiment(&[("fail", "display"), ("policy", "fail-fast")]).simulate();
    assert_eq!(called(&stopped, 2), all[..2]);
    assert_eq!(called(&stopped, 1), all);
}

#[test]
fn presets_pass_and_exercise_every_check() {
    assert_presets_exercise_all_checks("observer", |set| experiment(set).simulate());
}

#[test]
fn largest_run_drops_no_records() {
    let largest = [
        ("readings", "2000"),
        ("reentry", "alarm"),
        ("leak", "10"),
        ("fail", "display"),
        ("errors", "observed"),
        ("change", "add"),
        ("interval", "0"),
    ];
    let trace = experiment(&largest).simulate();
    assert_eq!(trace.dropped, 0);
    assert_eq!(checks_with_outcome(&trace, Outcome::Failed), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn claims_hold_for_any_settings(
        readings in 1..16_u64,
        interval in prop::sample::select(&["0", "7", "400"][..]),
        work in prop::sample::select(&["0", "3", "900"][..]),
        change in prop::sample::select(&["nothing", "remove", "add", "both"][..]),
        removal in prop::sample::select(&["snapshot", "live"][..]),
        reentry in prop::sample::select(&["none", "alarm"][..]),
        fail in prop::sample::select(&["none", "display"][..]),
        policy in prop::sample::select(&["isolate", "fail-fast"][..]),
        errors in prop::sample::select(&["unobserved", "observed"][..]),
        leak in 0..=10_u64,
        seed in 0..1_u64 << 53,
    ) {
        let (readings, leak, seed) = (readings.to_string(), leak.to_string(), seed.to_string());
        let experiment = experiment(&[
            ("readings", &*readings),
            ("interval", interval),
            ("work", work),
            ("change", change),
            ("removal", removal),
            ("reentry", reentry),
            ("fail", fail),
            ("policy", policy),
            ("errors", errors),
            ("leak", &leak),
            ("seed", &seed),
        ]);
        let trace = experiment.simulate();
        prop_assert_eq!(checks_with_outcome(&trace, Outcome::Failed), [""; 0]);
        prop_assert_eq!(&trace, &experiment.simulate(), "repeated runs are identical");
        assert_each_record_narrated(&trace);
    }
}

/// Returns the index of the first matching record.
fn index_of(trace: &Trace, kind: RecordKind, names: (&str, Option<&str>), subject: u64) -> usize {
    let (source, target) = (trace.id(names.0), names.1.map(|name| trace.id(name)));
    let matches = |event: &Event| {
        (event.kind, event.subject, Some(event.source)) == (kind, subject, source)
            && event.phase != Phase::Begin
            && target.is_none_or(|target| event.target == target)
    };
    trace.events.iter().position(matches).unwrap()
}

fn delivery(trace: &Trace, to: &str, reading: u64) -> usize {
    index_of(trace, RecordKind::Deliver, ("Emitter", Some(to)), reading)
}

/// Returns the checks that fail after tampering with a run.
fn tampered(pairs: &[(&str, &str)], tamper: impl FnOnce(&mut Trace)) -> Vec<&'static str> {
    let mut trace = experiment(pairs).simulate();
    assert_eq!(checks_with_outcome(&trace, Outcome::Failed), [""; 0]);
    tamper(&mut trace);
    checks_with_outcome(&trace, Outcome::Failed)
}

#[test]
fn detects_unfinished_reading() {
    let failed = tampered(&[], |trace| {
        let end = index_of(trace, RecordKind::Request, ("Sensor", None), 6);
        trace.events.remove(end);
    });
    assert_eq!(failed, ["every-reading-announced"]);
}

#[test]
fn detects_listeners_out_of_order() {
    let failed = tampered(&[], |trace| {
        let (first, second) = (delivery(trace, "Alarm", 2), delivery(trace, "Display", 2));
        let targets = (trace.events[first].target, trace.events[second].target);
        (trace.events[second].target, trace.events[first].target) = targets;
    });
    assert_eq!(failed, ["in-order"]);
}

#[test]
fn detects_once_listener_called_twice() {
    let failed = tampered(&[], |trace| {
        let mut repeated = trace.events[delivery(trace, "Calibration", 1)];
        repeated.subject = 2;
        let next = delivery(trace, "Logger", 2) + 1;
        trace.events.insert(next, repeated);
    });
    assert_eq!(failed, ["in-order", "once-called-once"]);
    let still_listed = tampered(&[], |trace| {
        let removal = index_of(trace, RecordKind::Unsubscribe, ("Calibration", None), 0);
        trace.events.remove(removal);
    });
    assert!(still_listed.contains(&"once-called-once"));
}

#[test]
fn detects_wrong_calls_of_removed_listener() {
    let skipped = tampered(&[], |trace| {
        let call = delivery(trace, "Logger", 3);
        trace.events.remove(call);
    });
    assert_eq!(skipped, ["in-order", "removed-during-emit"]);
    let called_later = tampered(&[], |trace| {
        let mut repeated = trace.events[delivery(trace, "Logger", 3)];
        repeated.subject = 4;
        let next = delivery(trace, "Display", 4) + 1;
        trace.events.insert(next, repeated);
    });
    assert_eq!(called_later, ["in-order", "removed-during-emit"]);
}

#[test]
fn detects_early_call_of_added_listener() {
    let failed = tampered(&[], |trace| {
        let mut early = trace.events[delivery(trace, "Newcomer", 4)];
        early.subject = 3;
        let next = delivery(trace, "Logger", 3) + 1;
        trace.events.insert(next, early);
    });
    assert_eq!(failed, ["in-order", "added-during-emit"]);
}

#[test]
fn detects_overtaken_inner_emit() {
    let failed = tampered(&[("reentry", "alarm"), ("change", "nothing")], |trace| {
        let outer = delivery(trace, "Display", 1);
        let call = trace.events.remove(outer);
        let inner = delivery(trace, "Display", 2);
        trace.events.insert(inner, call);
    });
    assert_eq!(failed, ["inner-emit-first"]);
}

#[test]
fn detects_stopped_sibling_or_lost_failure() {
    let pairs = [("fail", "display"), ("change", "nothing")];
    let stopped = tampered(&pairs, |trace| {
        let call = delivery(trace, "Logger", 2);
        trace.events.remove(call);
    });
    assert_eq!(stopped, ["in-order", "failure-and-siblings"]);
    let lost = tampered(&pairs, |trace| {
        let end = index_of(trace, RecordKind::Request, ("Sensor", None), 2);
        trace.events[end].failure = None;
    });
    assert_eq!(lost, ["errors-surface"]);
    let observed = [pairs[0], pairs[1], ("errors", "observed")];
    let unlogged = tampered(&observed, |trace| {
        let log = index_of(trace, RecordKind::Handle, ("ErrorLog", None), 2);
        trace.events[log].kind = RecordKind::Compute;
    });
    assert_eq!(unlogged, ["errors-surface"]);
}

#[test]
fn detects_missing_or_repeated_leak_report() {
    let pairs = [("leak", "10"), ("readings", "12")];
    for copies in [0, 2] {
        let failed = tampered(&pairs, |trace| {
            let report = trace
                .events
                .iter()
                .position(|it| it.kind == RecordKind::Leak);
            let report = trace.events.remove(report.unwrap());
            let end = trace.events.len();
            trace.events.splice(end..end, vec![report; copies]);
        });
        assert_eq!(failed, ["leak-reported"], "{copies} reports");
    }
}
