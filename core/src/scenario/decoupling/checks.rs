//! The checks of `decoupling`.
//!
//! They depend on counts and record order, never on durations, so they hold in every
//! world.

use super::{
    names::{AUDIT, EMAIL, EVENT_BUS, LOYALTY, METRICS, SESSION},
    summary::DecouplingSummary,
};
use crate::{
    scenario::{
        checks::{Check, CheckResult},
        leak_check,
    },
    trace::{Event, NameId, Phase, RecordKind, Trace},
};

pub(super) const ALL: &[Check] = &[
    Check::new("every-sign-up-answered", every_sign_up_answered),
    Check::new("failure-and-registration", failure_and_registration),
    Check::new("siblings-run", siblings_run),
    Check::new("latency-includes-email", latency_includes_email),
    Check::new("no-edit-for-a-subscriber", no_edit_for_a_subscriber),
    Check::new("inbox-accounts-for-all", inbox_accounts_for_all),
    Check::new("nested-emit-first", nested_emit_first),
    Check::new("leak-reported", leak_reported),
];

fn every_sign_up_answered(trace: &Trace) -> CheckResult {
    let summary = DecouplingSummary::of(trace);
    let users: usize = trace.param("users").parse().unwrap_or(0);
    let answered = summary.requests().count();
    let totals = trace.summary();
    let unfinished: u64 = totals
        .sources()
        .map(|source| totals.counters(source).in_flight())
        .sum();
    CheckResult::Decided {
        claim: "every sign-up is answered and every listener finishes".to_owned(),
        holds: answered == users && unfinished == 0,
        evidence: format!("{answered} of {users} answered, {unfinished} unfinished"),
    }
}

fn failure_and_registration(trace: &Trace) -> CheckResult {
    let summary = DecouplingSummary::of(trace);
    let services = [EMAIL, AUDIT, METRICS].map(|name| trace.id(name));
    let (mut seen, mut lost, mut both) = (0, 0, 0);
    for (user, request) in summary.requests() {
        let has_failed = services.iter().flatten().any(|service| {
            let handled = summary.handled(*service, user);
            handled.is_some_and(|it| it.has_failed)
        });
        seen += u64::from(has_failed);
        lost += u64::from(request.has_failed);
        both += u64::from(has_failed && request.has_failed);
    }
    let service = failing_service(trace);
    let claim = if summary.is_direct {
        format!("with direct calls a failing {service} fails the registration")
    } else {
        format!("with events a failing {service} fails no registration")
    };
    if seen == 0 {
        return CheckResult::not_exercised(
            claim,
            "nothing failed: set fail=email, or a higher fail_rate",
        );
    }
    CheckResult::Decided {
        holds: if summary.is_direct {
            (seen, lost) == (both, both)
        } else {
            lost == 0
        },
        evidence: format!(
            "{seen} of {} sign-ups saw a failure, {lost} registrations failed",
            summary.requests().count(),
        ),
        claim,
    }
}

fn siblings_run(trace: &Trace) -> CheckResult {
    let summary = DecouplingSummary::of(trace);
    let claim = if summary.is_direct {
        "with direct calls the services after the failing one are skipped"
    } else {
        "every sibling of the failing listener runs"
    }
    .to_owned();
    // The siblings of a failing service: with `events` the other subscribers, with
    // `direct` the services later in the call order.
    let mut failures = 0;
    let mut expected = 0;
    let mut ran = 0;
    for (service, user) in summary.failures() {
        failures += 1;
        let siblings: Vec<NameId> = if summary.is_direct {
            let call_order = &summary.call_order;
            let index = call_order.iter().position(|called| *called == service);
            index.map_or_else(Vec::new, |index| call_order[index + 1..].to_vec())
        } else {
            summary.subscribed_before(user, service)
        };
        expected += siblings.len();
        ran += siblings
            .iter()
            .filter(|sibling| summary.was_reached(**sibling, user))
            .count();
    }
    if failures == 0 {
        return CheckResult::not_exercised(
            claim,
            "nothing failed: set fail=email, or a higher fail_rate",
        );
    }
    if expected == 0 {
        return CheckResult::not_exercised(claim, "no service is called after it: set fail=email");
    }
    CheckResult::Decided {
        claim,
        holds: ran == if summary.is_direct { 0 } else { expected },
        evidence: format!("{failures} failures, {ran} of {expected} siblings ran"),
    }
}

fn latency_includes_email(trace: &Trace) -> CheckResult {
    let summary = DecouplingSummary::of(trace);
    let waits = summary.is_direct || trace.param("listeners") == "sync";
    let claim = match (summary.is_direct, waits) {
        (true, _) => "with direct calls the registration waits for the email",
        (_, true) => "with synchronous listeners the registration waits for the email",
        (_, false) => "with asynchronous listeners the registration does not wait for the email",
    }
    .to_owned();
    // Later sign-ups may wait for inbox space and therefore end after their email.
    let first_in_inbox: u64 = match trace.param("overflow") {
        "wait" if !waits => trace.param("inbox").parse().unwrap_or(0),
        _ => u64::MAX,
    };
    let mut emails = 0;
    let mut included = 0;
    let service = trace.id(EMAIL);
    for (user, request) in summary
        .requests()
        .filter(|(user, _)| *user <= first_in_inbox)
    {
        let email = service.and_then(|service| summary.handled(service, user));
        if let Some(email) = email {
            emails += 1;
            // The email's span lies within the request's.
            included += usize::from(request.begin < email.begin && email.end < request.end);
        }
    }
    CheckResult::Decided {
        claim,
        holds: emails > 0 && included == if waits { emails } else { 0 },
        evidence: format!("{included} of {emails} registrations ended after their email"),
    }
}

fn no_edit_for_a_subscriber(trace: &Trace) -> CheckResult {
    let summary = DecouplingSummary::of(trace);
    let claim = if summary.is_direct {
        "with direct calls a service added while running is never called"
    } else {
        "a service added while running gets events; UserService is unchanged"
    }
    .to_owned();
    let Some(added_at) = summary.loyalty_started else {
        return CheckResult::not_exercised(claim, "no service was added: set added=loyalty");
    };
    let loyalty = trace.id(LOYALTY);
    let later: Vec<u64> = summary
        .requests()
        .filter(|(_, request)| request.begin > added_at)
        .map(|(user, _)| user)
        .collect();
    let is_served =
        |user: &&u64| loyalty.is_some_and(|loyalty| summary.was_reached(loyalty, **user));
    let served = later.iter().filter(is_served).count();
    let dependencies: Vec<&str> = summary
        .dependencies
        .iter()
        .map(|id| trace.name(*id))
        .collect();
    let holds = if summary.is_direct {
        served == 0 && !later.is_empty() && !dependencies.contains(&LOYALTY)
    } else {
        served == later.len() && !later.is_empty() && dependencies == [EVENT_BUS]
    };
    CheckResult::Decided {
        claim,
        holds,
        evidence: format!(
            "{served} of {} later sign-ups reached it; UserService depends on {}",
            later.len(),
            dependencies.join(", ")
        ),
    }
}

/// An inbox may lose events under its overflow policy, but it counts each loss.
fn inbox_accounts_for_all(trace: &Trace) -> CheckResult {
    let summary = DecouplingSummary::of(trace);
    let overflow = trace.param("overflow");
    let claim = match overflow {
        "wait" => "a full inbox makes the sign-up wait and loses nothing",
        "fail" => "a full inbox fails its listener and counts each rejection",
        _ => "a full inbox drops events and counts each drop",
    }
    .to_owned();
    if summary.is_direct || trace.param("listeners") != "async" {
        return CheckResult::not_exercised(claim, "no listener has an inbox: set listeners=async");
    }
    let mut total = InboxAccount::default();
    let mut holds = true;
    for (service, _) in summary.listeners() {
        let account = InboxAccount::of(trace, service);
        holds &= account.delivered == account.handled + account.dropped + account.rejected;
        total.delivered += account.delivered;
        total.handled += account.handled;
        total.dropped += account.dropped;
        total.rejected += account.rejected;
        total.was_full |= account.was_full;
    }
    let claim = if total.was_full {
        claim
    } else {
        "an inbox that never fills loses nothing".to_owned()
    };
    holds &= match overflow {
        "wait" => total.dropped == 0 && total.rejected == 0,
        "fail" => total.dropped == 0,
        _ => total.rejected == 0,
    };
    CheckResult::Decided {
        claim,
        holds: holds && total.delivered > 0,
        evidence: format!(
            "{} delivered: {} handled, {} dropped, {} rejected",
            total.delivered, total.handled, total.dropped, total.rejected
        ),
    }
}

/// The sign-ups delivered to an inbox, counted by outcome.
#[derive(Default)]
struct InboxAccount {
    delivered: u64,
    handled: u64,
    dropped: u64,
    rejected: u64,
    was_full: bool,
}

impl InboxAccount {
    fn of(trace: &Trace, service: NameId) -> Self {
        let mut account = InboxAccount::default();
        let capacity = trace.param("inbox").parse().unwrap_or(u64::MAX);
        let mut started = 0;
        let mut mail_deliveries = MailDeliveries::of(trace);
        for event in &trace.events {
            let is_mail = mail_deliveries.is_delivery(event);
            match event.kind {
                RecordKind::Deliver if event.target == Some(service) && !is_mail => {
                    account.delivered += 1;
                    let waiting = account.delivered.saturating_sub(started + account.dropped);
                    account.was_full |= waiting > capacity;
                }
                RecordKind::Handle if event.source == service && event.phase == Phase::Begin => {
                    started += 1;
                }
                RecordKind::Handle if event.source == service && event.phase == Phase::End => {
                    account.handled += 1;
                }
                RecordKind::Drop if event.source == service => {
                    account.dropped += event.subject;
                    account.was_full = true;
                }
                RecordKind::Reject if event.source == service => {
                    account.rejected += 1;
                    account.was_full = true;
                }
                _ => {}
            }
        }
        account
    }
}

/// Distinguishes `MailSent` from `UserRegistered` deliveries. Only the former directly
/// follow an emit by `EmailService`.
struct MailDeliveries {
    email: Option<NameId>,
    audit: Option<NameId>,
    announced: bool,
}

impl MailDeliveries {
    fn of(trace: &Trace) -> Self {
        MailDeliveries {
            email: trace.id(EMAIL),
            audit: trace.id(AUDIT),
            announced: false,
        }
    }

    /// Returns `true` if this is a delivery of `MailSent`. Call it for each record, in
    /// order.
    fn is_delivery(&mut self, event: &Event) -> bool {
        let is_mail =
            self.announced && event.kind == RecordKind::Deliver && event.target == self.audit;
        self.announced = event.kind == RecordKind::Emit && Some(event.source) == self.email;
        is_mail
    }
}

/// A nested emit finishes before the outer one continues.
fn nested_emit_first(trace: &Trace) -> CheckResult {
    let is_async = trace.param("listeners") == "async";
    let claim = if is_async {
        "with asynchronous listeners AuditLog gets the sign-up before the mail"
    } else {
        "a nested emit finishes first: AuditLog gets the mail before the sign-up"
    }
    .to_owned();
    if trace.param("design") == "direct" || trace.param("reentry") == "none" {
        return CheckResult::not_exercised(claim, "no listener emits: set reentry=email");
    }
    let summary = DecouplingSummary::of(trace);
    let mut mail_deliveries = MailDeliveries::of(trace);
    let (mut mails, mut before) = (0, 0);
    for (index, event) in trace.events.iter().enumerate() {
        if mail_deliveries.is_delivery(event)
            && let Some(audit) = event.target
        {
            mails += 1;
            let last = summary.last_delivery(audit, event.subject);
            before += u64::from(last > Some(index));
        }
    }
    if mails == 0 {
        return CheckResult::not_exercised(claim, "no mail was sent: set fail=none");
    }
    CheckResult::Decided {
        claim,
        holds: before == if is_async { 0 } else { mails },
        evidence: format!("{before} of {mails} mails came before their sign-up"),
    }
}

fn leak_reported(trace: &Trace) -> CheckResult {
    let (session, bus) = (trace.id(SESSION), trace.id(EVENT_BUS));
    let mut subscribed = 0;
    let mut leaked = 0;
    for event in &trace.events {
        if event.kind == RecordKind::Subscribe && event.target == bus {
            leaked += u64::from(Some(event.source) == session);
            subscribed += 1;
        }
    }
    // AuditLog's second subscription is to `MailSent`, which has its own listener list.
    let others = u64::from(trace.param("reentry") == "email" && leaked > 0);
    let hint = "at most ten listeners: set leak=10, design=events, users=12";
    leak_check::leak_reported(trace, SESSION, subscribed - others, leaked, hint)
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
