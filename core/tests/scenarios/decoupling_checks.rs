//! Each check of `decoupling` can fail: a trace that was tampered with in one
//! place fails exactly the check that looks there.

use crate::support::{self, checks};
use highwater::{
    scenario::{self, Outcome},
    trace::{Event, Phase, RecordKind, Trace},
};

fn simulate(pairs: &[(&str, &str)]) -> Trace {
    let trace = support::simulate("decoupling", pairs);
    assert_eq!(failed(&trace), [""; 0]);
    trace
}

/// The names of the checks that fail.
fn failed(trace: &Trace) -> Vec<&'static str> {
    checks(trace, Outcome::Failed)
}

/// The place of a record.
fn place(trace: &Trace, kind: RecordKind, phase: Phase, source: &str, user: u64) -> usize {
    let source = trace.id(source).unwrap();
    let is_it = |event: &Event| {
        (event.kind, event.phase, event.source, event.subject) == (kind, phase, source, user)
    };
    trace.events.iter().position(is_it).unwrap()
}

/// Takes both records of a span out.
fn remove_span(trace: &mut Trace, kind: RecordKind, source: &str, user: u64) {
    for phase in [Phase::Begin, Phase::End] {
        let place = place(trace, kind, phase, source, user);
        trace.events.remove(place);
    }
}

/// Puts a copy of a record in, as if it had been made for another user.
fn forge(trace: &mut Trace, original: usize, user: u64) {
    let mut copy = trace.events[original];
    copy.subject = user;
    trace.events.insert(original, copy);
}

/// The first user whom the email service failed, or did not.
fn user_whose_email(trace: &Trace, has_failed: bool) -> u64 {
    let email = trace.id("EmailService").unwrap();
    let ended = |event: &&Event| event.source == email && event.phase == Phase::End;
    let mut ends = trace.events.iter().filter(ended);
    let wanted = |event: &&Event| event.failure.is_some() == has_failed;
    ends.find(wanted).unwrap().subject
}

#[test]
fn a_sign_up_without_an_answer() {
    let mut trace = simulate(&[]);
    let user = user_whose_email(&trace, false);
    remove_span(&mut trace, RecordKind::Request, "UserService", user);
    assert_eq!(failed(&trace), ["every-sign-up-answered"]);
}

#[test]
fn a_listener_that_never_finishes() {
    let mut trace = simulate(&[("listeners", "async"), ("fail", "none")]);
    let end = place(&trace, RecordKind::Handle, Phase::End, "Metrics", 12);
    trace.events.remove(end);
    let checks = ["every-sign-up-answered", "inbox-accounts-for-all"];
    assert_eq!(failed(&trace), checks);
}

#[test]
fn a_failure_that_reaches_the_registration_in_spite_of_events() {
    let mut trace = simulate(&[]);
    let user = user_whose_email(&trace, true);
    let request = place(&trace, RecordKind::Request, Phase::End, "UserService", user);
    let email = place(&trace, RecordKind::Handle, Phase::End, "EmailService", user);
    trace.events[request].failure = trace.events[email].failure;
    assert_eq!(failed(&trace), ["failure-and-registration"]);
}

#[test]
fn a_failure_that_a_direct_call_swallows() {
    let mut trace = simulate(&[("design", "direct")]);
    let user = user_whose_email(&trace, true);
    let request = place(&trace, RecordKind::Request, Phase::End, "UserService", user);
    trace.events[request].failure = None;
    assert_eq!(failed(&trace), ["failure-and-registration"]);
}

#[test]
fn a_sibling_that_is_skipped_in_spite_of_events() {
    for listeners in ["sync", "async"] {
        for sibling in ["AuditLog", "Metrics"] {
            let mut trace = simulate(&[("listeners", listeners)]);
            let user = user_whose_email(&trace, true);
            remove_span(&mut trace, RecordKind::Handle, sibling, user);
            let checks = match listeners {
                "sync" => &["siblings-run"][..],
                // Its inbox should have waited for room, too.
                _ => &["siblings-run", "inbox-accounts-for-all"],
            };
            assert_eq!(failed(&trace), checks);
        }
    }
}

#[test]
fn a_service_that_runs_behind_a_direct_call_that_failed() {
    let mut trace = simulate(&[("design", "direct")]);
    let (lucky, unlucky) = (
        user_whose_email(&trace, false),
        user_whose_email(&trace, true),
    );
    let end = place(&trace, RecordKind::Handle, Phase::End, "AuditLog", lucky);
    forge(&mut trace, end, unlucky);
    assert_eq!(failed(&trace), ["siblings-run"]);
}

#[test]
fn a_registration_that_does_not_wait_for_a_synchronous_email() {
    for design in ["events", "direct"] {
        let mut trace = simulate(&[("design", design)]);
        let user = user_whose_email(&trace, false);
        let email = place(&trace, RecordKind::Handle, Phase::End, "EmailService", user);
        let request = place(&trace, RecordKind::Request, Phase::End, "UserService", user);
        trace.events.swap(email, request);
        assert_eq!(failed(&trace), ["latency-includes-email"]);
    }
}

#[test]
fn a_registration_that_waits_for_an_asynchronous_email() {
    let mut trace = simulate(&[("listeners", "async")]);
    let request = place(&trace, RecordKind::Request, Phase::End, "UserService", 1);
    let answered = trace.events.remove(request);
    let email = place(&trace, RecordKind::Handle, Phase::End, "EmailService", 1);
    trace.events.insert(email + 1, answered);
    assert_eq!(failed(&trace), ["latency-includes-email"]);
}

#[test]
fn a_service_that_subscribed_and_is_not_served() {
    let mut trace = simulate(&[("fail", "none")]);
    remove_span(&mut trace, RecordKind::Handle, "LoyaltyService", 9);
    assert_eq!(failed(&trace), ["no-edit-for-a-subscriber"]);
}

#[test]
fn a_user_service_that_knows_a_subscriber() {
    for design in ["events", "direct"] {
        let mut trace = simulate(&[("design", design)]);
        let (kind, loyalty) = match design {
            "events" => (RecordKind::Emit, trace.id("LoyaltyService")),
            _ => (RecordKind::Call, trace.id("LoyaltyService")),
        };
        let sent = place(&trace, kind, Phase::Instant, "UserService", 12);
        forge(&mut trace, sent, 12);
        trace.events[sent].kind = RecordKind::Call;
        trace.events[sent].target = loyalty;
        assert_eq!(failed(&trace), ["no-edit-for-a-subscriber"]);
    }
}

#[test]
fn a_service_that_a_direct_design_serves_without_an_edit() {
    let mut trace = simulate(&[("design", "direct")]);
    let metrics = place(
        &trace,
        RecordKind::Handle,
        Phase::End,
        "Metrics",
        user_whose_email(&trace, false),
    );
    forge(&mut trace, metrics, 12);
    trace.events[metrics].source = trace.id("LoyaltyService").unwrap();
    // Counters of another source: this one finished more than it started.
    trace.events[metrics].counters = highwater::trace::Counters::default();
    assert_eq!(failed(&trace), ["no-edit-for-a-subscriber"]);
}

/// A slow email whose inbox overflows.
fn simulate_overflow(overflow: &str) -> Trace {
    simulate(&[
        ("listeners", "async"),
        ("email_latency", "2000"),
        ("inbox", "2"),
        ("fail", "none"),
        ("overflow", overflow),
    ])
}

#[test]
fn an_event_that_an_inbox_loses_without_a_word() {
    for (overflow, kind) in [
        ("drop-oldest", RecordKind::Drop),
        ("drop-newest", RecordKind::Drop),
        ("latest", RecordKind::Drop),
        ("fail", RecordKind::Refuse),
    ] {
        let mut trace = simulate_overflow(overflow);
        let is_loss = |event: &Event| event.kind == kind;
        let loss = trace.events.iter().position(is_loss).unwrap();
        trace.events.remove(loss);
        assert_eq!(failed(&trace), ["inbox-accounts-for-all"], "{overflow}");
    }
}

#[test]
fn an_inbox_that_drops_though_it_should_wait() {
    let mut trace = simulate_overflow("drop-oldest");
    let params = trace.params.iter_mut();
    for (key, value) in params {
        if key == "overflow" {
            "wait".clone_into(value);
        }
    }
    let failed = failed(&trace);
    assert!(failed.contains(&"inbox-accounts-for-all"), "{failed:?}");
}

#[test]
fn a_nested_emit_that_comes_last_and_a_late_one_that_comes_first() {
    for listeners in ["sync", "async"] {
        let mut trace = simulate(&[
            ("reentry", "email"),
            ("fail", "none"),
            ("listeners", listeners),
        ]);
        let audit = trace.id("AuditLog");
        let is_delivery = |event: &Event| {
            (event.kind, event.target, event.subject) == (RecordKind::Deliver, audit, 1)
        };
        // Of its two deliveries the one that is not the mail's changes sides.
        if listeners == "sync" {
            let last = trace.events.iter().rposition(is_delivery).unwrap();
            let sign_up = trace.events.remove(last);
            trace.events.insert(0, sign_up);
        } else {
            let first = trace.events.iter().position(is_delivery).unwrap();
            let sign_up = trace.events.remove(first);
            trace.events.push(sign_up);
        }
        assert_eq!(failed(&trace), ["nested-emit-first"], "{listeners}");
    }
}

#[test]
fn a_leak_that_nobody_or_everybody_hears_of() {
    let whole = simulate(&[("leak", "10"), ("fail", "none")]);
    let is_report = |event: &Event| event.kind == RecordKind::Leak;
    let report = whole.events.iter().position(is_report).unwrap();
    let mut silent = whole.clone();
    silent.events.remove(report);
    assert_eq!(failed(&silent), ["leak-reported"]);
    let mut twice = whole.clone();
    twice.events.insert(report, twice.events[report]);
    assert_eq!(failed(&twice), ["leak-reported"]);
    let mut late = whole.clone();
    late.events[report].subject = 12;
    assert_eq!(failed(&late), ["leak-reported"]);
    let mut vague = whole;
    vague.events[report].target = vague.id("EventBus");
    assert_eq!(failed(&vague), ["leak-reported"]);
}

#[test]
fn a_trace_that_is_not_whole_proves_nothing() {
    let scenario = scenario::find("decoupling").unwrap();
    // Also where the parameters gave the checks nothing to decide.
    for pairs in [&[][..], &[("fail", "none"), ("added", "none")]] {
        let whole = simulate(pairs);
        let lossy = Trace {
            dropped: 1,
            ..whole.clone()
        };
        let dead = Trace {
            died: Some("a bug".to_owned()),
            ..whole
        };
        for (trace, cause) in [(lossy, "1 records were dropped"), (dead, "a bug")] {
            let verdicts = scenario.judge(&trace);
            assert_eq!(verdicts.len(), scenario.checks.len());
            for verdict in verdicts {
                assert_eq!(verdict.outcome, Outcome::Failed);
                assert!(verdict.evidence.contains(cause), "{verdict:?}");
            }
        }
    }
}

#[test]
fn a_verdict_is_data_for_other_programs() {
    let scenario = scenario::find("decoupling").unwrap();
    let verdict = &scenario.judge(&simulate(&[("added", "none")]))[4];
    let expected = serde_json::json!({
        "check": "no-edit-for-a-subscriber",
        "outcome": "not_exercised",
        "claim": verdict.claim,
        "evidence": "no service was added: set added=loyalty",
    });
    assert_eq!(serde_json::to_value(verdict).unwrap(), expected);
}
