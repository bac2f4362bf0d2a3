//! `observer` in simulated time: whatever is set, all that it claims holds, and
//! each check can fail.

use crate::support::{self, assert_each_record_narrated, assert_presets_show_all, checks};
use highwater::{
    scenario::{Experiment, Outcome},
    trace::{Event, Phase, RecordKind, Trace},
};
use proptest::prelude::*;

fn experiment<V: AsRef<str>>(pairs: &[(&str, V)]) -> Experiment {
    support::experiment("observer", pairs)
}

/// Whom each reading was handed to, in order; inner emits apart.
fn called(trace: &Trace, reading: u64) -> Vec<&str> {
    let of_reading = |event: &&Event| event.kind == RecordKind::Deliver && event.subject == reading;
    let deliveries = trace.events.iter().filter(of_reading);
    deliveries
        .map(|it| trace.name(it.target.unwrap()))
        .collect()
}

#[test]
fn the_list_is_what_the_rules_make_of_it() {
    let all = ["Alarm", "Display", "Logger", "Calibration"];
    let trace = experiment::<&str>(&[]).simulate();
    assert_eq!(called(&trace, 1), all);
    assert_eq!(called(&trace, 2), all[..3]);
    assert_eq!(called(&trace, 3), all[..3], "Logger is removed meanwhile");
    for reading in 4..=6 {
        assert_eq!(called(&trace, reading), ["Alarm", "Display", "Newcomer"]);
    }
    let live = experiment(&[("removal", "live")]).simulate();
    assert_eq!(called(&live, 3), all[..2]);
    // The second reading is announced from within the first.
    let nested = experiment(&[("reentry", "alarm"), ("readings", "1")]).simulate();
    assert_eq!(called(&nested, 2), all);
    assert_eq!(called(&nested, 1), all[..3], "Calibration has had its one");
    let stopped = experiment(&[("fail", "display"), ("policy", "fail-fast")]).simulate();
    assert_eq!(called(&stopped, 2), all[..2]);
    assert_eq!(called(&stopped, 1), all);
}

#[test]
fn every_check_is_passed_by_some_preset_and_failed_by_none() {
    assert_presets_show_all("observer", |set| experiment(set).simulate());
}

#[test]
fn the_greatest_run_loses_no_record() {
    let greatest = [
        ("readings", "2000"),
        ("reentry", "alarm"),
        ("leak", "10"),
        ("fail", "display"),
        ("errors", "observed"),
        ("change", "add"),
        ("interval", "0"),
    ];
    let trace = experiment(&greatest).simulate();
    assert_eq!(trace.dropped, 0);
    assert_eq!(checks(&trace, Outcome::Failed), [""; 0]);
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_is_set_what_it_claims_holds(
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
        prop_assert_eq!(checks(&trace, Outcome::Failed), [""; 0]);
        prop_assert_eq!(&trace, &experiment.simulate(), "the same run again");
        assert_each_record_narrated(&trace);
    }
}

/// Where a record is, by what it says.
fn place(trace: &Trace, kind: RecordKind, names: (&str, Option<&str>), subject: u64) -> usize {
    let (source, target) = (trace.id(names.0), names.1.map(|name| trace.id(name)));
    let is_it = |event: &Event| {
        (event.kind, event.subject, Some(event.source)) == (kind, subject, source)
            && event.phase != Phase::Begin
            && target.is_none_or(|target| event.target == target)
    };
    trace.events.iter().position(is_it).unwrap()
}

fn delivery(trace: &Trace, to: &str, reading: u64) -> usize {
    place(trace, RecordKind::Deliver, ("Emitter", Some(to)), reading)
}

/// A run, tampered with.
fn tampered(pairs: &[(&str, &str)], tamper: impl FnOnce(&mut Trace)) -> Vec<&'static str> {
    let mut trace = experiment(pairs).simulate();
    assert_eq!(checks(&trace, Outcome::Failed), [""; 0]);
    tamper(&mut trace);
    checks(&trace, Outcome::Failed)
}

#[test]
fn a_reading_that_is_never_done() {
    let failed = tampered(&[], |trace| {
        let end = place(trace, RecordKind::Request, ("Sensor", None), 6);
        trace.events.remove(end);
    });
    assert_eq!(failed, ["every-reading-announced"]);
}

#[test]
fn listeners_out_of_order() {
    let failed = tampered(&[], |trace| {
        let (first, second) = (delivery(trace, "Alarm", 2), delivery(trace, "Display", 2));
        let targets = (trace.events[first].target, trace.events[second].target);
        (trace.events[second].target, trace.events[first].target) = targets;
    });
    assert_eq!(failed, ["in-order"]);
}

#[test]
fn once_twice() {
    let failed = tampered(&[], |trace| {
        let mut again = trace.events[delivery(trace, "Calibration", 1)];
        again.subject = 2;
        let behind = delivery(trace, "Logger", 2) + 1;
        trace.events.insert(behind, again);
    });
    assert_eq!(failed, ["in-order", "once-called-once"]);
    let still_listed = tampered(&[], |trace| {
        let gone = place(trace, RecordKind::Unsubscribe, ("Calibration", None), 0);
        trace.events.remove(gone);
    });
    assert!(still_listed.contains(&"once-called-once"));
}

#[test]
fn a_removed_listener_that_is_passed_by_or_called_later() {
    let passed_by = tampered(&[], |trace| {
        let call = delivery(trace, "Logger", 3);
        trace.events.remove(call);
    });
    assert_eq!(passed_by, ["in-order", "removed-during-emit"]);
    let called_later = tampered(&[], |trace| {
        let mut again = trace.events[delivery(trace, "Logger", 3)];
        again.subject = 4;
        let behind = delivery(trace, "Display", 4) + 1;
        trace.events.insert(behind, again);
    });
    assert_eq!(called_later, ["in-order", "removed-during-emit"]);
}

#[test]
fn an_added_listener_that_does_not_wait() {
    let failed = tampered(&[], |trace| {
        let mut early = trace.events[delivery(trace, "Newcomer", 4)];
        early.subject = 3;
        let behind = delivery(trace, "Logger", 3) + 1;
        trace.events.insert(behind, early);
    });
    assert_eq!(failed, ["in-order", "added-during-emit"]);
}

#[test]
fn an_inner_emit_that_is_overtaken() {
    let failed = tampered(&[("reentry", "alarm"), ("change", "nothing")], |trace| {
        let outer = delivery(trace, "Display", 1);
        let call = trace.events.remove(outer);
        let inner = delivery(trace, "Display", 2);
        trace.events.insert(inner, call);
    });
    assert_eq!(failed, ["inner-emit-first"]);
}

#[test]
fn a_failure_that_stops_a_sibling_or_is_lost() {
    let pairs = [("fail", "display"), ("change", "nothing")];
    let stopped = tampered(&pairs, |trace| {
        let call = delivery(trace, "Logger", 2);
        trace.events.remove(call);
    });
    assert_eq!(stopped, ["in-order", "failure-and-siblings"]);
    let lost = tampered(&pairs, |trace| {
        let end = place(trace, RecordKind::Request, ("Sensor", None), 2);
        trace.events[end].failure = None;
    });
    assert_eq!(lost, ["errors-surface"]);
    let observed = [pairs[0], pairs[1], ("errors", "observed")];
    let unobserved = tampered(&observed, |trace| {
        let log = place(trace, RecordKind::Handle, ("ErrorLog", None), 2);
        trace.events[log].kind = RecordKind::Compute;
    });
    assert_eq!(unobserved, ["errors-surface"]);
}

#[test]
fn a_leak_that_is_reported_twice_or_not() {
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
