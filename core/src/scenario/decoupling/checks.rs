//! What a run of `decoupling` must prove.
//!
//! The predicates look at counts and at the order of records, never at how
//! long something took, so they hold in every world.

use super::{EMAIL, EVENT_BUS, LOYALTY, USER_SERVICE};
use crate::{
    scenario::checks::{Check, Decision},
    trace::{Kind, NameId, Phase, Trace},
};
use std::collections::{BTreeMap, BTreeSet};

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
];

fn every_sign_up_answered(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let users: usize = trace.param("users").parse().unwrap_or(0);
    let answered = facts.requests.len();
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
    let failed_users: BTreeSet<u64> = facts.failures.iter().map(|failure| failure.user).collect();
    let lost = &facts.failed_requests;
    let service = failing_service(trace);
    let claim = if facts.is_direct {
        format!("with direct calls a failing {service} fails the registration")
    } else {
        format!("with events a failing {service} fails no registration")
    };
    if failed_users.is_empty() {
        return not_exercised(
            claim,
            "nothing failed: set fail=email, or a higher fail_rate",
        );
    }
    Decision::Decided {
        holds: if facts.is_direct {
            *lost == failed_users
        } else {
            lost.is_empty()
        },
        evidence: format!(
            "{} of {} sign-ups saw a failure, {} registrations failed",
            failed_users.len(),
            facts.requests.len(),
            lost.len()
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
    let mut expected = 0;
    let mut ran = 0;
    for failure in &facts.failures {
        let siblings: Vec<NameId> = if facts.is_direct {
            let line = &facts.line;
            let place = line.iter().position(|called| *called == failure.service);
            place.map_or_else(Vec::new, |place| line[place + 1..].to_vec())
        } else {
            facts.subscribed_before(failure.user, failure.service)
        };
        expected += siblings.len();
        ran += siblings
            .iter()
            .filter(|sibling| facts.handled.contains(&(**sibling, failure.user)))
            .count();
    }
    if facts.failures.is_empty() {
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
        evidence: format!(
            "{} failures, {ran} of {expected} siblings ran",
            facts.failures.len()
        ),
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
    let mut emails = 0;
    let mut included = 0;
    for (user, email) in &facts.emails {
        if let Some(request) = facts.requests.get(user) {
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
    let later: Vec<u64> = facts
        .requests
        .iter()
        .filter(|(_, request)| request.begin > added_at)
        .map(|(user, _)| *user)
        .collect();
    let served = trace.id(LOYALTY).map_or(0, |loyalty| {
        later
            .iter()
            .filter(|user| facts.handled.contains(&(loyalty, **user)))
            .count()
    });
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
    match trace.param("fail") {
        "audit" => "audit log",
        "metrics" => "metrics service",
        _ => "email",
    }
}

/// A span by the places of its records in the trace.
#[derive(Clone, Copy)]
struct Places {
    begin: usize,
    end: usize,
}

struct ServiceFailure {
    service: NameId,
    user: u64,
}

/// What the checks ask of a trace, gathered in one pass.
#[derive(Default)]
struct Facts {
    is_direct: bool,
    /// Answered requests by user.
    requests: BTreeMap<u64, Places>,
    failed_requests: BTreeSet<u64>,
    emails: BTreeMap<u64, Places>,
    /// Who finished work for whom, well or not.
    handled: BTreeSet<(NameId, u64)>,
    failures: Vec<ServiceFailure>,
    /// When each listener subscribed.
    subscribed: Vec<(NameId, usize)>,
    /// When each user was announced on the bus.
    emitted: BTreeMap<u64, usize>,
    /// The services that were there before `UserService`: under `direct`, the
    /// line in which it calls them. Those it never got round to count too.
    line: Vec<NameId>,
    /// Whom `UserService` passes anything to.
    known: BTreeSet<NameId>,
    loyalty_started: Option<usize>,
}

impl Facts {
    fn of(trace: &Trace) -> Self {
        let user_service = trace.id(USER_SERVICE);
        let email = trace.id(EMAIL);
        let loyalty = trace.id(LOYALTY);
        let mut facts = Facts {
            is_direct: trace.param("design") == "direct",
            ..Facts::default()
        };
        let mut begun = BTreeMap::new();
        let mut user_service_started = false;
        for (place, event) in trace.events.iter().enumerate() {
            let (source, user) = (event.source, event.subject);
            if event.phase == Phase::Begin {
                begun.insert((event.kind, source, user), place);
            }
            let span = || {
                begun.get(&(event.kind, source, user)).map(|begin| Places {
                    begin: *begin,
                    end: place,
                })
            };
            match (event.kind, event.phase) {
                (Kind::Request, Phase::End) => {
                    facts.requests.extend(span().map(|span| (user, span)));
                    if event.failure.is_some() {
                        facts.failed_requests.insert(user);
                    }
                }
                (Kind::Handle, Phase::End) => {
                    facts.handled.insert((source, user));
                    if Some(source) == email {
                        facts.emails.extend(span().map(|span| (user, span)));
                    }
                    if event.failure.is_some() {
                        facts.failures.push(ServiceFailure {
                            service: source,
                            user,
                        });
                    }
                }
                (Kind::Subscribe, _) => facts.subscribed.push((source, place)),
                (Kind::Start, _) => {
                    if Some(source) == loyalty {
                        facts.loyalty_started = Some(place);
                    }
                    user_service_started |= Some(source) == user_service;
                    if !user_service_started {
                        facts.line.push(source);
                    }
                }
                (Kind::Emit, _) => {
                    facts.emitted.insert(user, place);
                }
                _ => {}
            }
            if let Some(target) = event.target.filter(|_| Some(source) == user_service) {
                facts.known.insert(target);
            }
        }
        facts
    }

    /// Who listened when the user was announced, other than `but`.
    fn subscribed_before(&self, user: u64, but: NameId) -> Vec<NameId> {
        let emitted = self.emitted.get(&user).copied().unwrap_or(0);
        self.subscribed
            .iter()
            .filter(|(listener, at)| *listener != but && *at < emitted)
            .map(|(listener, _)| *listener)
            .collect()
    }
}
