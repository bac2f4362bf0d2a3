//! `decoupling` in simulated time: its claims hold for any settings.

use crate::decoupling_invariants::assert_decoupling_invariants;
use crate::strategies::{number, one_of};
use crate::support::{self, assert_presets_exercise_all_checks, assert_seeds_differ, to_json};
use highwater::{
    platform::VirtualTime,
    scenario::{Experiment, Outcome, TRACE_CAPACITY},
    trace::Recorder,
};
use proptest::prelude::*;
use std::panic::{AssertUnwindSafe, catch_unwind};

fn experiment<V: AsRef<str>>(pairs: &[(&str, V)]) -> Experiment {
    support::experiment("decoupling", pairs)
}

/// Any settings without a panic, with few enough users for a test.
fn pairs() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let choices = (
        one_of(&["events", "direct"]),
        one_of(&["sync", "async"]),
        one_of(&["email", "audit", "metrics", "none"]),
        one_of(&["loyalty", "none"]),
        one_of(&["wait", "drop-oldest", "drop-newest", "latest", "fail"]),
        one_of(&["none", "email"]),
    );
    let numbers = (
        number(1..=40),
        prop_oneof![number(0..=0), number(1..=300), number(10_000..=10_000)],
        prop_oneof![number(0..=0), number(1..=300), number(5_000..=5_000)],
        prop_oneof![number(1..=99), number(100..=100)],
        number(1..=4),
        number(0..=10),
        number(0..=(1 << 53) - 1),
    );
    (choices, numbers).prop_map(|(choices, numbers)| {
        let (design, listeners, fail, added, overflow, reentry) = choices;
        let (users, interval, email_latency, fail_rate, inbox, leak, seed) = numbers;
        vec![
            ("design", design),
            ("listeners", listeners),
            ("fail", fail),
            ("added", added),
            ("users", users),
            ("interval", interval),
            ("email_latency", email_latency),
            ("fail_rate", fail_rate),
            ("inbox", inbox),
            ("overflow", overflow),
            ("reentry", reentry),
            ("leak", leak),
            ("seed", seed),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn claims_hold_for_any_settings(pairs in pairs()) {
        let experiment = experiment(&pairs);
        let trace = experiment.simulate();
        assert_decoupling_invariants(&trace);
        prop_assert_eq!(to_json(&trace), to_json(&experiment.simulate()), "repeated runs are byte-identical");
    }
}

#[test]
fn presets_hold() {
    for preset in experiment::<&str>(&[]).scenario().presets {
        assert_decoupling_invariants(&experiment(preset.set).simulate());
    }
}

#[test]
fn presets_exercise_every_check() {
    assert_presets_exercise_all_checks("decoupling", |set| experiment(set).simulate());
}

#[test]
fn different_seeds_give_different_runs() {
    assert_seeds_differ("decoupling");
}

#[test]
fn failing_service_skips_later_services() {
    let always = [
        ("design", "direct"),
        ("fail", "email"),
        ("fail_rate", "100"),
    ];
    let trace = experiment(&always).simulate();
    assert_eq!(
        trace
            .summary()
            .percentile(trace.id("AuditLog").unwrap(), 50),
        None
    );
    assert_decoupling_invariants(&trace);
}

#[test]
fn largest_run_drops_no_records() {
    let largest = [
        ("users", "10000"),
        ("interval", "0"),
        ("fail_rate", "100"),
        ("added", "loyalty"),
    ];
    let more = [("fail", "none"), ("reentry", "email"), ("leak", "10")];
    for (listeners, overflow) in [("sync", "wait"), ("async", "wait"), ("async", "latest")] {
        let mut experiment = experiment(&largest);
        experiment.set("listeners", listeners).unwrap();
        experiment.set("overflow", overflow).unwrap();
        let trace = experiment.simulate();
        assert_eq!(trace.dropped, 0);
        if overflow == "wait" {
            let expected = "records of 10,000 users and of the start";
            assert_eq!(trace.events.len(), 135_010, "{expected}");
        }
        for (key, value) in more {
            experiment.set(key, value).unwrap();
        }
        let trace = experiment.simulate();
        assert_eq!(trace.dropped, 0);
        let length = trace.events.len();
        assert!(length < TRACE_CAPACITY, "{length}");
    }
}

#[test]
fn bug_ends_the_run_and_fails_every_check() {
    for (design, listeners) in [("events", "sync"), ("events", "async"), ("direct", "sync")] {
        let experiment = experiment(&[
            ("design", design),
            ("listeners", listeners),
            ("fault", "panic"),
            ("fail", "audit"),
        ]);
        let world = VirtualTime::new();
        let recorder = Recorder::new(world.timer(), TRACE_CAPACITY);
        let run = experiment.start(world.platform(), recorder.clone());
        let panic = catch_unwind(AssertUnwindSafe(|| world.run_to_end(run))).unwrap_err();
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains("AuditLog has a bug"), "{message}");

        // The recorder keeps the records up to the panic.
        let mut trace = experiment.new_trace("virtual");
        trace.append(recorder.drain());
        trace.died = Some(message.clone());
        assert_eq!(
            trace
                .summary()
                .counters(trace.id("AuditLog").unwrap())
                .failed,
            1
        );
        for verdict in experiment.scenario().judge(&trace) {
            assert_eq!(verdict.outcome, Outcome::Failed, "{verdict:?}");
            assert!(verdict.evidence.contains("AuditLog has a bug"));
        }
        let simulated = catch_unwind(AssertUnwindSafe(|| experiment.simulate()));
        assert!(simulated.is_err(), "`simulate` propagates the panic");
    }
}

#[test]
fn arrivals_do_not_depend_on_services() {
    let arrivals = |pairs: &[(&str, &str)]| {
        let trace = experiment(pairs).simulate();
        let begins = trace.events.into_iter().filter(|event| {
            event.kind == highwater::trace::RecordKind::Request
                && event.phase == highwater::trace::Phase::Begin
        });
        begins.map(|event| event.at).collect::<Vec<_>>()
    };
    let expected = arrivals(&[]);
    assert_eq!(
        arrivals(&[("design", "direct"), ("fail", "none")]),
        expected
    );
    assert_eq!(
        arrivals(&[("email_latency", "5000"), ("added", "none")]),
        expected
    );
}
