//! Invariants of a complete `decoupling` trace from any world.
//!
//! The assertions do not use the scenario's checks, but verify them as well. No
//! assertion depends on durations.

use highwater::{
    scenario::{self, Outcome},
    trace::{Counters, Event, NameId, Phase, RecordKind, Trace, VERSION},
};
use std::collections::{BTreeMap, BTreeSet};

/// Asserts all invariants.
pub(crate) fn assert_decoupling_invariants(trace: &Trace) {
    assert_eq!(trace.version, VERSION);
    assert_eq!(trace.scenario, "decoupling");
    assert_eq!((trace.dropped, &trace.died), (0, &None));
    assert_records_are_consistent(trace);
    assert_users_reach_services(trace);
    assert_dependencies(trace);
    assert_verdicts(trace);
    let scenario = scenario::find(&trace.scenario).unwrap();
    for event in &trace.events {
        let sentence = (scenario.narrate)(trace, event);
        assert!(
            sentence.ends_with('.') && !sentence.contains('?'),
            "{sentence}"
        );
    }
}

/// Asserts that records are ordered by time, counters are correct, and each begin has
/// one end.
fn assert_records_are_consistent(trace: &Trace) {
    assert!(trace.events.iter().is_sorted_by_key(Event::recorded_at));
    let mut totals: BTreeMap<NameId, Counters> = BTreeMap::new();
    let mut open = BTreeSet::new();
    for event in &trace.events {
        let of_source = totals.entry(event.source).or_default();
        let span = (event.kind, event.source, event.subject);
        match (event.phase, event.failure) {
            (Phase::Begin, _) => {
                of_source.started += 1;
                assert!(open.insert(span), "started twice: {event:?}");
            }
            (Phase::End, failure) => {
                assert!(open.remove(&span), "never started: {event:?}");
                of_source.succeeded += u64::from(failure.is_none());
                of_source.failed += u64::from(failure.is_some());
            }
            (Phase::Instant, _) => of_source.sent += u64::from(event.kind.is_message()),
        }
        assert_eq!(event.counters, *of_source, "{event:?}");
    }
    assert!(open.is_empty(), "never finished: {open:?}");
}

fn number(trace: &Trace, key: &str) -> u64 {
    trace.param(key).parse().unwrap()
}

/// Returns the subjects of a source's finished spans, in order.
fn ended(trace: &Trace, kind: RecordKind, source: &str) -> Vec<u64> {
    let source = trace.id(source);
    let ends = trace.events.iter().filter(|event| {
        (event.kind, event.phase) == (kind, Phase::End) && Some(event.source) == source
    });
    ends.map(|event| event.subject).collect()
}

/// Asserts that users are answered in order and reach the right services.
fn assert_users_reach_services(trace: &Trace) {
    let users = number(trace, "users");
    let all_users: Vec<u64> = (1..=users).collect();
    assert_eq!(ended(trace, RecordKind::Request, "UserService"), all_users);
    assert_handled(trace, "EmailService", &all_users);
    let loyalty = ended(trace, RecordKind::Handle, "LoyaltyService");
    if trace.param("design") == "events" {
        assert_handled(trace, "AuditLog", &all_users);
        assert_handled(trace, "Metrics", &all_users);
        let later = match trace.param("added") {
            "loyalty" => all_users[usize::try_from(users / 2).unwrap()..].to_vec(),
            _ => Vec::new(),
        };
        assert_handled(trace, "LoyaltyService", &later);
    } else {
        let unless_failed = |service, before: Vec<u64>| {
            let failed = users_failed_at(trace, service);
            before
                .into_iter()
                .filter(|user| !failed.contains(user))
                .collect::<Vec<_>>()
        };
        let audited = unless_failed("EmailService", all_users);
        assert_eq!(ended(trace, RecordKind::Handle, "AuditLog"), audited);
        let measured = unless_failed("AuditLog", audited);
        assert_eq!(ended(trace, RecordKind::Handle, "Metrics"), measured);
        assert!(loyalty.is_empty());
    }
}

/// Asserts that a service handled these users in order, except for those its inbox
/// lost.
fn assert_handled(trace: &Trace, service: &str, users: &[u64]) {
    let handled = ended(trace, RecordKind::Handle, service);
    let lost = lost_count(trace, service);
    assert_eq!(handled.len() as u64 + lost, users.len() as u64, "{service}");
    assert!(handled.is_sorted(), "{service}: {handled:?}");
    assert!(handled.iter().all(|user| users.contains(user)), "{service}");
    let can_lose = trace.param("listeners") == "async" && trace.param("overflow") != "wait";
    assert!(lost == 0 || can_lose, "{service} lost {lost}");
}

fn lost_count(trace: &Trace, service: &str) -> u64 {
    let service = trace.id(service);
    let records = trace
        .events
        .iter()
        .filter(|event| Some(event.source) == service);
    records
        .map(|event| match event.kind {
            RecordKind::Drop => event.subject,
            RecordKind::Reject => 1,
            _ => 0,
        })
        .sum()
}

/// Returns the users for whom a source failed.
fn users_failed_at(trace: &Trace, source: &str) -> BTreeSet<u64> {
    let source = trace.id(source);
    let failed = trace
        .events
        .iter()
        .filter(|event| event.failure.is_some() && Some(event.source) == source);
    failed.map(|event| event.subject).collect()
}

fn assert_dependencies(trace: &Trace) {
    let summary = trace.summary();
    let dependencies: Vec<_> = summary
        .edges()
        .filter(|(source, ..)| Some(*source) == trace.id("UserService"))
        .map(|(_, target, _)| trace.name(target))
        .collect();
    let services = ["EmailService", "AuditLog", "Metrics"];
    if trace.param("design") == "events" {
        assert_eq!(dependencies, ["EventBus"]);
        // Deliveries follow the order of subscriptions.
        for event in trace
            .events
            .iter()
            .filter(|event| event.kind == RecordKind::Deliver)
        {
            assert_eq!(trace.name(event.source), "EventBus");
        }
        let delivered = |user| {
            let is_delivery_to_user =
                move |event: &&Event| event.kind == RecordKind::Deliver && event.subject == user;
            let targets = trace
                .events
                .iter()
                .filter(is_delivery_to_user)
                .filter_map(|event| event.target);
            targets.map(|target| trace.name(target)).collect::<Vec<_>>()
        };
        if trace.param("reentry") == "none" {
            assert_eq!(delivered(1)[..3], services);
        } else {
            let delivered = delivered(1).into_iter();
            let audited = delivered.filter(|name| *name == "AuditLog").count();
            let mail_sent = ended(trace, RecordKind::Handle, "EmailService").contains(&1)
                && !users_failed_at(trace, "EmailService").contains(&1);
            assert_eq!(audited, 1 + usize::from(mail_sent));
        }
    } else {
        assert!(
            dependencies.iter().all(|name| services.contains(name)),
            "{dependencies:?}"
        );
    }
}

/// Asserts that no check failed and that every applicable check was exercised.
fn assert_verdicts(trace: &Trace) {
    let is_direct = trace.param("design") == "direct";
    let services = ["EmailService", "AuditLog", "Metrics", "LoyaltyService"];
    let anything_failed = services
        .iter()
        .any(|name| !users_failed_at(trace, name).is_empty());
    let fails_last = is_direct && trace.param("fail") == "metrics";
    let mail_sent = ended(trace, RecordKind::Handle, "EmailService").len()
        > users_failed_at(trace, "EmailService").len();
    let emits = !is_direct && trace.param("reentry") == "email" && mail_sent;
    let leaked = number(trace, "leak").min(number(trace, "users"));
    let services = 3 + u64::from(trace.param("added") == "loyalty");
    let exercised = [
        ("every-sign-up-answered", true),
        ("failure-and-registration", anything_failed),
        ("siblings-run", anything_failed && !fails_last),
        ("latency-includes-email", true),
        (
            "no-edit-for-a-subscriber",
            trace.param("added") == "loyalty",
        ),
        (
            "inbox-accounts-for-all",
            !is_direct && trace.param("listeners") == "async",
        ),
        ("nested-emit-first", emits),
        ("leak-reported", !is_direct && services + leaked > 10),
    ];
    let verdicts = scenario::find("decoupling").unwrap().judge(trace);
    assert_eq!(verdicts.len(), exercised.len());
    for (verdict, (check, is_exercised)) in verdicts.iter().zip(exercised) {
        let outcome = if is_exercised {
            Outcome::Passed
        } else {
            Outcome::NotExercised
        };
        assert_eq!(
            (verdict.check, verdict.outcome),
            (check, outcome),
            "{verdict:?}"
        );
        assert!(!verdict.claim.is_empty() && !verdict.evidence.is_empty());
    }
}
