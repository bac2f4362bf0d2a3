//! About requests: answers, losses and the log.

use super::{Policy, not_exercised, policy};
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
        .filter(|it| it.ends == 1)
        .count();
    let lost = summary.lost();
    // Who drains finishes what it has. Nobody else but the supervisor ends one.
    let is_calm = summary.given_up.is_none() && summary.killed_from_outside() == 0;
    let drains = policy(trace) != Policy::Crash && is_calm;
    // Lost can be only what somebody had who is gone.
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
            "every request is answered: a worker that drains finishes what it has"
        } else {
            "every request is answered, or was lost with a worker that died"
        }
        .to_owned(),
        holds: !(drains && lost > 0)
            && ended == requests
            && summary.requests[0].ends == 0
            && all_lost.all(is_explained),
        evidence: format!(
            "{} of {requests} answered, {lost} lost",
            ended.saturating_sub(lost)
        ),
    }
}

pub(super) fn nothing_exposed(trace: &Trace) -> CheckResult {
    let claim = "no answer shows internal detail".to_owned();
    let summary = HandlerSummary::of(trace);
    let is_answer = |request: &&TransferRecord| request.failure.is_some_and(|it| it != LOST);
    let answers = summary.requests.iter().filter(is_answer).count();
    if answers == 0 {
        return not_exercised(claim, NOTHING_FAILED);
    }
    let exposed: usize = summary.requests.iter().map(|it| it.exposed).sum();
    CheckResult::Decided {
        claim,
        holds: exposed == 0,
        evidence: format!("{exposed} of {answers} failures showed what the client must not see"),
    }
}

pub(super) fn logged_once(trace: &Trace) -> CheckResult {
    let claim = "every error is logged once, with its id and its code".to_owned();
    let summary = HandlerSummary::of(trace);
    let errors = summary.errors();
    if errors == 0 {
        return not_exercised(claim, NOTHING_FAILED);
    }
    let is_well = |request: &TransferRecord| {
        let codes = request.faults.iter().map(|fault| code_of(fault));
        request.logged.iter().copied().eq(codes)
    };
    let lines: usize = summary.requests.iter().map(|it| it.logged.len()).sum();
    CheckResult::Decided {
        claim,
        holds: summary.requests.iter().all(is_well),
        evidence: format!("{errors} errors, {lines} lines of the log"),
    }
}

/// The code of an error. Written down once more, so that the check does not ask
/// whom it checks.
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
