//! The checks of `taxonomy`.
//!
//! They depend on counts and record order, never on durations, so they hold in every
//! world.

use super::{
    bank::MAX_PROBES,
    summary::{BUG, PaymentRecord, TaxonomySummary, code_of, is_transient, response_to},
};
use crate::{
    scenario::checks::{Check, CheckResult},
    trace::Trace,
};

pub(super) const ALL: &[Check] = &[
    Check::new("every-request-answered", every_request_answered),
    Check::new("answer-by-class", answer_by_class),
    Check::new("retries-by-class", retries_by_class),
    Check::new("bugs-and-load", bugs_and_load),
    Check::new("nothing-exposed", nothing_exposed),
    Check::new("logged-once", logged_once),
    Check::new("breaker-probes", breaker_probes),
];

fn every_request_answered(trace: &Trace) -> CheckResult {
    let summary = TaxonomySummary::of(trace);
    let requests = summary.requests.len() - 1;
    let answered = summary.requests[1..].iter().filter(|it| it.end_count == 1);
    let answered = answered.count();
    CheckResult::Decided {
        claim: "every request is answered exactly once".to_owned(),
        holds: answered == requests && summary.requests[0].end_count == 0,
        evidence: format!("{answered} of {requests}"),
    }
}

fn answer_by_class(trace: &Trace) -> CheckResult {
    let summary = TaxonomySummary::of(trace);
    let claim = if is_classified(trace) {
        "every failure gets the status and code of its class"
    } else {
        "with a catch-all every failure is a 500"
    }
    .to_owned();
    let failed = summary.failed().count();
    if failed == 0 {
        return CheckResult::not_exercised(claim, NOTHING_FAILED);
    }
    // The last error decides the response.
    let is_expected = |request: &&PaymentRecord| match (request.failure, request.faults.last()) {
        (Some(response), Some(fault)) if is_classified(trace) => response == response_to(fault),
        (response, _) => response == Some("500 error"),
    };
    let expected = summary.failed().filter(is_expected).count();
    let client_errors = summary.failed().filter(|request| {
        let fault = request.faults.last();
        fault.is_some_and(|fault| response_to(fault).starts_with('4'))
    });
    CheckResult::Decided {
        claim,
        holds: expected == failed,
        evidence: format!(
            "{expected} of {failed} failures; {} are client errors",
            client_errors.count()
        ),
    }
}

fn retries_by_class(trace: &Trace) -> CheckResult {
    let summary = TaxonomySummary::of(trace);
    let is_classified = is_classified(trace);
    let claim = if is_classified {
        "only transient errors of idempotent requests are retried, within the budget"
    } else {
        "with a catch-all everything is retried: bugs, client errors and non-idempotent requests"
    }
    .to_owned();
    let max_attempts = attempts(trace);
    if summary.errors() == 0 {
        return CheckResult::not_exercised(claim, NOTHING_FAILED);
    }
    if !is_classified && max_attempts < 2 {
        return CheckResult::not_exercised(claim, "there are no retries: set attempts=3");
    }
    let retries: usize = summary.requests.iter().map(|it| it.retries.len()).sum();
    let unjustified = |request: &PaymentRecord| -> usize {
        let is_unjustified = |after: &&usize| {
            let fault = after.checked_sub(1).and_then(|at| request.faults.get(at));
            !request.is_lookup || !fault.is_some_and(|fault| is_transient(fault))
        };
        request.retries.iter().filter(is_unjustified).count()
    };
    let unjustified: usize = summary.requests.iter().map(unjustified).sum();
    // Every attempt but the first is a retry.
    let all_recorded = summary.requests.iter().all(|request| {
        let retries = request.retries.len() as u64;
        request.attempts <= max_attempts && retries + 1 == request.attempts.max(1)
    });
    let used_all_attempts = |request: &PaymentRecord| request.attempts == max_attempts;
    CheckResult::Decided {
        claim,
        holds: all_recorded
            && if is_classified {
                unjustified == 0 && summary.retries_over_budget == 0 && summary.missed_retries == 0
            } else {
                summary.failed().all(used_all_attempts)
            },
        evidence: format!(
            "{retries} retries of {} errors, {unjustified} useless or unsafe{}",
            summary.errors(),
            if is_classified {
                format!(
                    ", {} beyond the budget, {} missed",
                    summary.retries_over_budget, summary.missed_retries
                )
            } else {
                String::new()
            }
        ),
    }
}

fn bugs_and_load(trace: &Trace) -> CheckResult {
    let summary = TaxonomySummary::of(trace);
    let is_classified = is_classified(trace);
    let claim = if is_classified {
        "bugs are not retried and cost the bank one call"
    } else {
        "with a catch-all bugs are retried and multiply the bank's load"
    }
    .to_owned();
    let has_bug = |request: &&PaymentRecord| request.faults.contains(&BUG);
    let bugs = |request: &PaymentRecord| request.faults.iter().filter(|it| **it == BUG).count();
    let requests_hit = summary.requests.iter().filter(has_bug).count();
    let bugs: usize = summary.requests.iter().map(bugs).sum();
    if requests_hit == 0 {
        return CheckResult::not_exercised(claim, "no request hit the bug: set bug=20");
    }
    if !is_classified && attempts(trace) < 2 {
        return CheckResult::not_exercised(claim, "there are no retries: set attempts=3");
    }
    let requests_with_bug = summary.requests.iter().filter(has_bug);
    let calls: u64 = requests_with_bug.map(|request| request.calls).sum();
    // Without retries a bug is the last error of its request.
    let attempts_match = summary.requests.iter().filter(has_bug).all(|request| {
        let first = request.faults.iter().position(|fault| *fault == BUG);
        let first = first.unwrap_or(0) as u64;
        request.attempts
            == if is_classified {
                first + 1
            } else {
                attempts(trace)
            }
    });
    CheckResult::Decided {
        claim,
        holds: attempts_match && (!is_classified || bugs == requests_hit),
        evidence: format!(
            "{requests_hit} requests hit the bug {bugs} times with {calls} bank calls"
        ),
    }
}

fn nothing_exposed(trace: &Trace) -> CheckResult {
    let summary = TaxonomySummary::of(trace);
    let claim = if is_classified(trace) {
        "no response exposes internal details"
    } else {
        "with a catch-all every failure exposes internal details"
    }
    .to_owned();
    let failed = summary.failed().count();
    if failed == 0 {
        return CheckResult::not_exercised(claim, NOTHING_FAILED);
    }
    let exposed = summary.requests.iter().filter(|it| it.exposed > 0).count();
    CheckResult::Decided {
        claim,
        holds: exposed == if is_classified(trace) { 0 } else { failed },
        evidence: format!("{exposed} of {failed} failures exposed internal details"),
    }
}

fn logged_once(trace: &Trace) -> CheckResult {
    let summary = TaxonomySummary::of(trace);
    let is_classified = is_classified(trace);
    let claim = if is_classified {
        "every error is logged once with id and code"
    } else {
        "with a catch-all every layer logs every error"
    }
    .to_owned();
    let errors = summary.errors();
    if errors == 0 {
        return CheckResult::not_exercised(claim, NOTHING_FAILED);
    }
    let is_correct = |request: &PaymentRecord| {
        if is_classified {
            let codes = request.faults.iter().map(|fault| code_of(fault));
            request.logged.iter().copied().eq(codes)
        } else {
            request.logged.len() == 2 * request.faults.len()
        }
    };
    let lines: usize = summary.requests.iter().map(|it| it.logged.len()).sum();
    CheckResult::Decided {
        claim,
        holds: summary.requests.iter().all(is_correct),
        evidence: format!("{errors} errors, {lines} log lines"),
    }
}

fn breaker_probes(trace: &Trace) -> CheckResult {
    let claim = format!(
        "an open breaker passes no call; a half-open one passes {MAX_PROBES}, whose success closes it"
    );
    if trace.param("breaker") == "off" {
        return CheckResult::not_exercised(claim, "there is no breaker: set breaker=on");
    }
    let breaker = TaxonomySummary::of(trace).breaker;
    if breaker.opened_count == 0 {
        return CheckResult::not_exercised(
            claim,
            "the breaker never opened: set outage=1500, interval=30",
        );
    }
    CheckResult::Decided {
        claim,
        holds: breaker.violations + breaker.wrong_transitions == 0
            && breaker.max_probes <= u64::from(MAX_PROBES),
        evidence: format!(
            "opened {} times, {} calls rejected, {} probes, at most {} at once",
            breaker.opened_count, breaker.rejected_count, breaker.probe_count, breaker.max_probes
        ),
    }
}

const NOTHING_FAILED: &str = "nothing failed: set invalid=20, or timeout=20";

fn is_classified(trace: &Trace) -> bool {
    trace.param("design") == "classified"
}

fn attempts(trace: &Trace) -> u64 {
    trace.param("attempts").parse().unwrap_or(1)
}
