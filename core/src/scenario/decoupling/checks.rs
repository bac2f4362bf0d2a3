//! What a run of `decoupling` must prove.
//!
//! The predicates look at counts and at the order of records, never at how
//! long something took, so they hold in every world.

mod injected;

use super::{AUDIT, EMAIL, EVENT_BUS, LOYALTY, METRICS, facts::Facts};
use crate::{
    scenario::checks::{Check, Decision},
    trace::{NameId, Trace},
};

pub(super) const ALL: &[Check] = &[
    Check {
        name: "every-sign-up-answered",
        decide: every_sign_up_answered,
    },
    Check {
        name: "failure-and-registration",
        decide: failure_and_registration,
    },
    Check {
        name: "siblings-run",
        decide: siblings_run,
    },
    Check {
        name: "latency-includes-email",
        decide: latency_includes_email,
    },
    Check {
        name: "no-edit-for-a-subscriber",
        decide: no_edit_for_a_subscriber,
    },
    Check {
        name: "inbox-accounts-for-all",
        decide: injected::inbox_accounts_for_all,
    },
    Check {
        name: "nested-emit-first",
        decide: injected::nested_emit_first,
    },
    Check {
        name: "leak-reported",
        decide: injected::leak_reported,
    },
];

fn every_sign_up_answered(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let users: usize = trace.param("users").parse().unwrap_or(0);
    let answered = facts.requests().count();
    let summary = trace.summary();
    let unfinished: u64 = summary
        .sources()
        .map(|source| summary.counters(source).in_flight())
        .sum();
    Decision::Decided {
        claim: "every sign-up is answered and every listener finishes".to_owned(),
        holds: answered == users && unfinished == 0,
        evidence: format!("{answered} of {users} answered, {unfinished} unfinished"),
    }
}

fn failure_and_registration(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let services = [EMAIL, AUDIT, METRICS].map(|name| trace.id(name));
    let (mut seen, mut lost, mut both) = (0, 0, 0);
    for (user, request) in facts.requests() {
        let has_failed = services.iter().flatten().any(|service| {
            let handled = facts.handled(*service, user);
            handled.is_some_and(|it| it.failed)
        });
        seen += u64::from(has_failed);
        lost += u64::from(request.failed);
        both += u64::from(has_failed && request.failed);
    }
    let service = failing_service(trace);
    let claim = if facts.is_direct {
        format!("with direct calls a failing {service} fails the registration")
    } else {
        format!("with events a failing {service} fails no registration")
    };
    if seen == 0 {
        return not_exercised(
            claim,
            "nothing failed: set fail=email, or a higher fail_rate",
        );
    }
    Decision::Decided {
        holds: if facts.is_direct {
            (seen, lost) == (both, both)
        } else {
            lost == 0
        },
        evidence: format!(
            "{seen} of {} sign-ups saw a failure, {lost} registrations failed",
            facts.requests().count(),
        ),
        claim,
    }
}

fn siblings_run(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let claim = if facts.is_direct {
        "with direct calls the services behind the failing one are skipped"
    } else {
        "every sibling of the failing listener runs"
    }
    .to_owned();
    // Who should have run beside each failure: under `events` whoever had
    // subscribed, under `direct` whoever comes later in the line of calls.
    let mut failures = 0;
    let mut expected = 0;
    let mut ran = 0;
    for (service, user) in facts.failures() {
        failures += 1;
        let siblings: Vec<NameId> = if facts.is_direct {
            let line = &facts.line;
            let place = line.iter().position(|called| *called == service);
            place.map_or_else(Vec::new, |place| line[place + 1..].to_vec())
        } else {
            facts.subscribed_before(user, service)
        };
        expected += siblings.len();
        ran += siblings
            .iter()
            .filter(|sibling| facts.reached(**sibling, user))
            .count();
    }
    if failures == 0 {
        return not_exercised(
            claim,
            "nothing failed: set fail=email, or a higher fail_rate",
        );
    }
    if expected == 0 {
        return not_exercised(claim, "no service is called behind it: set fail=email");
    }
    Decision::Decided {
        claim,
        holds: ran == if facts.is_direct { 0 } else { expected },
        evidence: format!("{failures} failures, {ran} of {expected} siblings ran"),
    }
}

fn latency_includes_email(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let waits = facts.is_direct || trace.param("listeners") == "sync";
    let claim = match (facts.is_direct, waits) {
        (true, _) => "with direct calls the registration takes as long as the email, and more",
        (_, true) => "with synchronous listeners the registration's latency includes the email's",
        (_, false) => "with asynchronous listeners the registration does not wait for the email",
    }
    .to_owned();
    // Beyond that a sign-up may wait, though not for its mail: for room.
    let room: u64 = match trace.param("overflow") {
        "wait" if !waits => trace.param("inbox").parse().unwrap_or(0),
        _ => u64::MAX,
    };
    let mut emails = 0;
    let mut included = 0;
    let service = trace.id(EMAIL);
    for (user, request) in facts.requests().filter(|(user, _)| *user <= room) {
        let email = service.and_then(|service| facts.handled(service, user));
        if let Some(email) = email {
            emails += 1;
            // By the order of records: the email's span within the request's.
            included += usize::from(request.begin < email.begin && email.end < request.end);
        }
    }
    Decision::Decided {
        claim,
        holds: emails > 0 && included == if waits { emails } else { 0 },
        evidence: format!("{included} of {emails} registrations ended after their email"),
    }
}

fn no_edit_for_a_subscriber(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let claim = if facts.is_direct {
        "with direct calls a service added while running is not called until UserService is edited"
    } else {
        "a service added while running is served, and UserService needs no edit"
    }
    .to_owned();
    let Some(added_at) = facts.loyalty_started else {
        return not_exercised(claim, "no service was added: set added=loyalty");
    };
    let loyalty = trace.id(LOYALTY);
    let later: Vec<u64> = facts
        .requests()
        .filter(|(_, request)| request.begin > added_at)
        .map(|(user, _)| user)
        .collect();
    let is_served = |user: &&u64| loyalty.is_some_and(|loyalty| facts.reached(loyalty, **user));
    let served = later.iter().filter(is_served).count();
    let knows: Vec<&str> = facts.known.iter().map(|id| trace.name(*id)).collect();
    let holds = if facts.is_direct {
        served == 0 && !later.is_empty() && !knows.contains(&LOYALTY)
    } else {
        served == later.len() && !later.is_empty() && knows == [EVENT_BUS]
    };
    Decision::Decided {
        claim,
        holds,
        evidence: format!(
            "{served} of {} later sign-ups reached it; UserService knows {}",
            later.len(),
            knows.join(", ")
        ),
    }
}

fn not_exercised(claim: String, hint: &str) -> Decision {
    Decision::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}

fn failing_service(trace: &Trace) -> &'static str {
    if trace.params.iter().any(|(key, _)| key.starts_with("fail@")) {
        return "service";
    }
    match trace.param("fail") {
        "audit" => "audit log",
        "metrics" => "metrics service",
        _ => "email",
    }
}
