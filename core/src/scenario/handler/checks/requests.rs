//! Checks of requests: responses, losses and log entries.

use super::{BugPolicy, not_exercised, policy};
use crate::{
    scenario::{
        checks::CheckResult,
        handler::summary::{HandlerSummary, TransferRecord},
        workers::LOST,
    },
    trace::Trace,
};

pub(super) fn every_request_accounted(trace: &Trace) -> CheckResult {
    let summary = HandlerSummary::of(trace);
    let requests = summary.requests.len() - 1;
    let ended = summary.requests[1..]
        .iter()
        .filter(|it| it.end_count == 1)
        .count();
    let lost = summary.lost();
    // A draining worker finishes its requests, so none is lost unless a worker is
    // killed from outside or by a supervisor that gives up.
    let has_no_kills = summary.given_up.is_none() && summary.killed_from_outside() == 0;
    let drains = policy(trace) != BugPolicy::Crash && has_no_kills;
    // Only requests in flight on a worker that exited can be lost.
    let is_explained = |request: &TransferRecord| {
        let latest = request.calls.last();
        latest.is_some_and(|(process, call)| match summary.processes[*process].exit {
            Some((exit, cause)) => cause.is_some() && *call < exit,
            None => false,
        })
    };
    let mut all_lost = summary
        .requests
        .iter()
        .filter(|it| it.failure == Some(LOST));
    CheckResult::Decided {
        claim: if drains {
            "every request is answered: draining workers finish theirs"
        } else {
            "every request is answered or lost with a worker that failed"
        }
        .to_owned(),
        holds: !(drains && lost > 0)
            && ended == requests
            && summary.requests[0].end_count == 0
            && all_lost.all(is_explained),
        evidence: format!(
            "{} of {requests} answered, {lost} lost",
            ended.saturating_sub(lost)
        ),
    }
}

pub(super) fn nothing_exposed(trace: &Trace) -> CheckResult {
    let claim = "no response exposes internal details".to_owned();
    let summary = HandlerSummary::of(trace);
    let is_response = |request: &&TransferRecord| request.failure.is_some_and(|it| it != LOST);
    let responses = summary.requests.iter().filter(is_response).count();
    if responses == 0 {
        return not_exercised(claim, NOTHING_FAILED);
    }
    let exposed: usize = summary.requests.iter().map(|it| it.exposed).sum();
    CheckResult::Decided {
        claim,
        holds: exposed == 0,
        evidence: format!("{exposed} of {responses} failures exposed internal details"),
    }
}

pub(super) fn logged_once(trace: &Trace) -> CheckResult {
    let claim = "every error is logged once with id and code".to_owned();
    let summary = HandlerSummary::of(trace);
    let errors = summary.errors();
    if errors == 0 {
        return not_exercised(claim, NOTHING_FAILED);
    }
    let is_correct = |request: &TransferRecord| {
        let codes = request.faults.iter().map(|fault| code_of(fault));
        request.logged.iter().copied().eq(codes)
    };
    let lines: usize = summary.requests.iter().map(|it| it.logged.len()).sum();
    CheckResult::Decided {
        claim,
        holds: summary.requests.iter().all(is_correct),
        evidence: format!("{errors} errors, {lines} log lines"),
    }
}

/// Returns the code of an error. The mapping is repeated here so that the check is
/// independent of the code under test.
fn code_of(fault: &str) -> &'static str {
    match fault {
        "invalid amount" => "invalid_input",
        "no such account" => "not_found",
        "the bank timed out" => "timeout",
        "no worker" => "unavailable",
        "a bug in the fees" => "internal_error",
        _ => "none",
    }
}

const NOTHING_FAILED: &str = "nothing failed: set operational=20, or bug_every=20";
