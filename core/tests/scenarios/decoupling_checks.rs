//! Each check of `decoupling` can fail: tampering with one part of a trace fails
//! exactly the checks that cover it.

use crate::support::{self, checks_with_outcome};
use highwater::{
    scenario::{self, Outcome},
    trace::{Event, Phase, RecordKind, Trace},
};

fn simulate(pairs: &[(&str, &str)]) -> Trace {
    let trace = support::simulate("decoupling", pairs);
    assert_eq!(failed(&trace), [""; 0]);
    trace
}

/// Returns the names of the failed checks.
fn failed(trace: &Trace) -> Vec<&'static str> {
    checks_with_outcome(trace, Outcome::Failed)
}

/// Returns the index of the first matching record.
fn index_of(trace: &Trace, kind: RecordKind, phase: Phase, source: &str, user: u64) -> usize {
    let source = trace.id(source).unwrap();
    let matches = |event: &Event| {
        (event.kind, event.phase, event.source, event.subject) == (kind, phase, source, user)
    };
    trace.events.iter().position(matches).unwrap()
}

/// Removes both records of a span.
fn remove_span(trace: &mut Trace, kind: RecordKind, source: &str, user: u64) {
    for phase in [Phase::Begin, Phase::End] {
        let index = index_of(trace, kind, phase, source, user);
        trace.events.remove(index);
    }
}

/// Inserts a copy of a record for another user.
fn insert_copy(trace: &mut Trace, original: usize, user: u64) {
    let mut copy = trace.events[original];
    copy.subject = user;
    trace.events.insert(original, copy);
}

/// Returns the first user whose email has this outcome.
fn first_user_with_email(trace: &Trace, has_failed: bool) -> u64 {
    let email = trace.id("EmailService").unwrap();
    let ended = |event: &&Event| event.source == email && event.phase == Phase::End;
    let mut ends = trace.events.iter().filter(ended);
    let has_outcome = |event: &&Event| event.failure.is_some() == has_failed;
    ends.find(has_outcome).unwrap().subject
}

#[test]
fn detects_unanswered_sign_up() {
    let mut trace = simulate(&[]);
    let user = first_user_with_email(&trace, false);
    remove_span(&mut trace, RecordKind::Request, "UserService", user);
    assert_eq!(failed(&trace), ["every-sign-up-answered"]);
}

#[test]
fn detects_unfinished_listener() {
    let mut trace = simulate(&[("listeners", "async"), ("fail", "none")]);
    let end = index_of(&trace, RecordKind::Handle, Phase::End, "Metrics", 12);
    trace.events.remove(end);
    let expected = ["every-sign-up-answered", "inbox-accounts-for-all"];
    assert_eq!(failed(&trace), expected);
}

#[test]
fn detects_failure_that_reaches_registration() {
    let mut trace = simulate(&[]);
    let user = first_user_with_email(&trace, true);
    let request = index_of(&trace, RecordKind::Request, Phase::End, "UserService", user);
    let email = index_of(&trace, RecordKind::Handle, Phase::End, "EmailService", user);
    trace.events[request].failure = trace.events[email].failure;
    assert_eq!(failed(&trace), ["failure-and-registration"]);
}

#[test]
fn detects_swallowed_failure() {
    let mut trace = simulate(&[("design", "direct")]);
    let user = first_user_with_email(&trace, true);
    let request = index_of(&trace, RecordKind::Request, Phase::End, "UserService", user);
    trace.events[request].failure = None;
    assert_eq!(failed(&trace), ["failure-and-registration"]);
}

#[test]
fn detects_skipped_sibling() {
    for listeners in ["sync", "async"] {
        for sibling in ["AuditLog", "Metrics"] {
            let mut trace = simulate(&[("listeners", listeners)]);
            let user = first_user_with_email(&trace, true);
            remove_span(&mut trace, RecordKind::Handle, sibling, user);
            let expected = match listeners {
                "sync" => &["siblings-run"][..],
                // The trace also lacks an event of an inbox that must not lose any.
                _ => &["siblings-run", "inbox-accounts-for-all"],
            };
            assert_eq!(failed(&trace), expected);
        }
    }
}

#[test]
fn detects_call_after_failed_call() {
    let mut trace = simulate(&[("design", "direct")]);
    let (succeeded, failed_user) = (
        first_user_with_email(&trace, false),
        first_user_with_email(&trace, true),
    );
    let end = index_of(
        &trace,
        RecordKind::Handle,
        Phase::End,
        "AuditLog",
        succeeded,
    );
    insert_copy(&mut trace, end, failed_user);
    assert_eq!(failed(&trace), ["siblings-run"]);
}

#[test]
fn detects_registration_that_skips_sync_email() {
    for design in ["events", "direct"] {
        let mut trace = simulate(&[("design", design)]);
        let user = first_user_with_email(&trace, false);
        let email = index_of(&trace, RecordKind::Handle, Phase::End, "EmailService", user);
        let request = index_of(&trace, RecordKind::Request, Phase::End, "UserService", user);
        trace.events.swap(email, request);
        assert_eq!(failed(&trace), ["latency-includes-email"]);
    }
}

#[test]
fn detects_registration_that_waits_for_async_email() {
    let mut trace = simulate(&[("listeners", "async")]);
    let request = index_of(&trace, RecordKind::Request, Phase::End, "UserService", 1);
    let answered = trace.events.remove(request);
    let email = index_of(&trace, RecordKind::Handle, Phase::End, "EmailService", 1);
    trace.events.insert(email + 1, answered);
    assert_eq!(failed(&trace), ["latency-includes-email"]);
}

#[test]
fn detects_missed_subscriber() {
    let mut trace = simulate(&[("fail", "none")]);
    remove_span(&mut trace, RecordKind::Handle, "LoyaltyService", 9);
    assert_eq!(failed(&trace), ["no-edit-for-a-subscriber"]);
}

#[test]
fn detects_dependency_on_a_subscriber() {
    for design in ["events", "direct"] {
        let mut trace = simulate(&[("design", design)]);
        let (kind, loyalty) = match design {
            "events" => (RecordKind::Emit, trace.id("LoyaltyService")),
            _ => (RecordKind::Call, trace.id("LoyaltyService")),
        };
        let sent = index_of(&trace, kind, Phase::Instant, "UserService", 12);
        insert_copy(&mut trace, sent, 12);
        trace.events[sent].kind = RecordKind::Call;
        trace.events[sent].target = loyalty;
        assert_eq!(failed(&trace), ["no-edit-for-a-subscriber"]);
    }
}

#[test]
fn detects_call_to_unknown_service() {
    let mut trace = simulate(&[("design", "direct")]);
    let metrics = index_of(
        &trace,
        RecordKind::Handle,
        Phase::End,
        "Metrics",
        first_user_with_email(&trace, false),
    );
    insert_copy(&mut trace, metrics, 12);
    trace.events[metrics].source = trace.id("LoyaltyService").unwrap();
    // The copied counters belong to another source.
    trace.events[metrics].counters = highwater::trace::Counters::default();
    assert_eq!(failed(&trace), ["no-edit-for-a-subscriber"]);
}

/// Simulates a slow email service whose inbox overflows.
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
fn detects_uncounted_inbox_loss() {
    for (overflow, kind) in [
        ("drop-oldest", RecordKind::Drop),
        ("drop-newest", RecordKind::Drop),
        ("latest", RecordKind::Drop),
        ("fail", RecordKind::Reject),
    ] {
        let mut trace = simulate_overflow(overflow);
        let is_loss = |event: &Event| event.kind == kind;
        let loss = trace.events.iter().position(is_loss).unwrap();
        trace.events.remove(loss);
        assert_eq!(failed(&trace), ["inbox-accounts-for-all"], "{overflow}");
    }
}

#[test]
fn detects_drop_despite_wait_policy() {
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
fn detects_wrong_nesting_order() {
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
        // Swaps the order of the sign-up delivery and the mail delivery.
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
fn detects_missing_repeated_or_wrong_leak_report() {
    let valid = simulate(&[("leak", "10"), ("fail", "none")]);
    let is_report = |event: &Event| event.kind == RecordKind::Leak;
    let report = valid.events.iter().position(is_report).unwrap();
    let mut silent = valid.clone();
    silent.events.remove(report);
    assert_eq!(failed(&silent), ["leak-reported"]);
    let mut twice = valid.clone();
    twice.events.insert(report, twice.events[report]);
    assert_eq!(failed(&twice), ["leak-reported"]);
    let mut late = valid.clone();
    late.events[report].subject = 12;
    assert_eq!(failed(&late), ["leak-reported"]);
    let mut vague = valid;
    vague.events[report].target = vague.id("EventBus");
    assert_eq!(failed(&vague), ["leak-reported"]);
}

#[test]
fn incomplete_trace_fails_every_check() {
    let scenario = scenario::find("decoupling").unwrap();
    // The second set of parameters leaves some checks unexercised.
    for pairs in [&[][..], &[("fail", "none"), ("added", "none")]] {
        let valid = simulate(pairs);
        let lossy = Trace {
            dropped: 1,
            ..valid.clone()
        };
        let dead = Trace {
            died: Some("a bug".to_owned()),
            ..valid
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
fn verdict_serializes_to_json() {
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

#[test]
fn full_inbox_is_claimed_only_if_one_was_full() {
    let claim = |pairs: &[(&str, &str)]| {
        let trace = simulate(&[pairs, &[("listeners", "async"), ("fail", "none")]].concat());
        let verdicts = scenario::find("decoupling").unwrap().judge(&trace);
        let is_inbox = |it: &&scenario::Verdict| it.check == "inbox-accounts-for-all";
        verdicts.iter().find(is_inbox).unwrap().claim.clone()
    };
    assert_eq!(claim(&[]), "an inbox that never fills loses nothing");
    let slow = [("email_latency", "1000"), ("inbox", "3")];
    assert!(claim(&slow).starts_with("a full inbox makes the sign-up wait"));
    let drops = [slow.as_slice(), &[("overflow", "drop-oldest")]].concat();
    assert!(claim(&drops).starts_with("a full inbox drops"));
}
