//! The checks of `handler`.
//!
//! They depend on counts and record order, never on durations, so they hold in every
//! world.

use super::{
    gateway::{ATTEMPTS, RESTART_PERIOD},
    summary::{HandlerSummary, TransferRecord, WorkerRecord, workers},
};
use crate::{
    scenario::{
        checks::{Check, CheckResult},
        railway::Tally,
        workers::{KILLED, KILLED_FROM_OUTSIDE, LOST},
    },
    trace::Trace,
};

pub(super) const ALL: &[Check] = &[
    Check::new("every-request-accounted", every_request_accounted),
    Check::new("operational-restarts-nothing", operational_restarts_nothing),
    Check::new("bug-and-restart", bug_and_restart),
    Check::new("another-process", another_process),
    Check::new("wrong-answers", wrong_answers),
    Check::new("retrying-a-bug", retrying_a_bug),
    Check::new("gives-up", gives_up),
    Check::new("nothing-exposed", nothing_exposed),
    Check::new("logged-once", logged_once),
];

const NOTHING_FAILED: &str = "nothing failed: set operational=20, or bug_every=20";
const NO_BUG: &str = "no request hit the bug: set bug_every=20";

/// The failure of a request that no worker was left for.
const REJECTED: &str = "503 unavailable";

/// A worker's policy for bugs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BugPolicy {
    Supervise,
    Crash,
    Swallow,
}

fn policy(trace: &Trace) -> BugPolicy {
    match trace.param("policy") {
        "crash" => BugPolicy::Crash,
        "swallow" => BugPolicy::Swallow,
        _ => BugPolicy::Supervise,
    }
}

fn every_request_accounted(trace: &Trace) -> CheckResult {
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

fn nothing_exposed(trace: &Trace) -> CheckResult {
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

fn logged_once(trace: &Trace) -> CheckResult {
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

fn operational_restarts_nothing(trace: &Trace) -> CheckResult {
    let claim = "only bugs and kills stop a worker, not operational errors".to_owned();
    let summary = HandlerSummary::of(trace);
    let errors: usize = summary
        .processes
        .iter()
        .map(|process| process.operational_errors)
        .sum();
    // An exit is valid after a bug, after a kill from outside, or after a kill by a
    // supervisor that gave up.
    let ended = summary
        .processes
        .iter()
        .filter(|process| match process.exit {
            Some((_, cause)) => cause.is_some(),
            None => false,
        });
    let is_explained = |ended: &&WorkerRecord| {
        ended.bugs > 0
            || (ended.exited_with(KILLED) && summary.given_up.is_some())
            || ended.exited_with(KILLED_FROM_OUTSIDE)
    };
    let (explained, ended): (Vec<_>, Vec<_>) = ended.partition(is_explained);
    let unexplained = ended.len() + summary.failed_starts;
    if errors == 0 && unexplained == 0 {
        return not_exercised(claim, "no operational errors: set operational=20");
    }
    CheckResult::Decided {
        claim,
        holds: unexplained == 0,
        evidence: format!(
            "{errors} operational errors; {} workers stopped by a bug or kill, {unexplained} otherwise",
            explained.len()
        ),
    }
}

fn bug_and_restart(trace: &Trace) -> CheckResult {
    let summary = HandlerSummary::of(trace);
    let policy = policy(trace);
    let claim = match policy {
        BugPolicy::Supervise if summary.given_up.is_some() => {
            "every bug stops its worker, which is replaced until the supervisor gives up"
        }
        BugPolicy::Supervise => "every bug stops one worker, which is replaced",
        BugPolicy::Crash => "every bug stops its worker, which is not replaced",
        BugPolicy::Swallow => "no bug stops a worker",
    }
    .to_owned();
    let bugs = summary.bugs();
    if bugs == 0 {
        return not_exercised(claim, NO_BUG);
    }
    let restarts = summary.processes.len().saturating_sub(workers(trace));
    let crashes = summary.crashes();
    let killed = summary.killed_from_outside();
    let has_one_crash_per_bug = |process: &WorkerRecord| {
        process.bugs == usize::from(process.has_crashed())
            || process.exited_with(KILLED_FROM_OUTSIDE)
    };
    let all_crash_once = summary.processes.iter().all(has_one_crash_per_bug);
    let all_replaced = (0..summary.processes.len())
        .all(|process| !summary.processes[process].has_crashed() || summary.is_replaced(process));
    CheckResult::Decided {
        claim,
        holds: match policy {
            BugPolicy::Supervise if summary.given_up.is_some() => {
                restarts < crashes + killed && summary.processes.iter().all(ended_after_bug)
            }
            BugPolicy::Supervise => all_crash_once && all_replaced && restarts == crashes + killed,
            BugPolicy::Crash => {
                crashes > 0 && restarts == 0 && summary.processes.iter().all(crashed_only_by_bug)
            }
            BugPolicy::Swallow => crashes == 0 && restarts == killed,
        },
        evidence: format!("{bugs} bugs, {crashes} crashes, {restarts} replacements"),
    }
}

/// Returns whether a worker crashed, was killed or never hit the bug.
fn ended_after_bug(process: &WorkerRecord) -> bool {
    let is_killed = process.exited_with(KILLED) || process.exited_with(KILLED_FROM_OUTSIDE);
    process.has_crashed() || process.bugs == 0 || is_killed
}

/// Returns whether a worker crashed if and only if it hit the bug.
fn crashed_only_by_bug(process: &WorkerRecord) -> bool {
    process.has_crashed() == (process.bugs > 0)
}

fn another_process(trace: &Trace) -> CheckResult {
    let claim = "every replacement is a new process".to_owned();
    let summary = HandlerSummary::of(trace);
    let restarts = summary.processes.len().saturating_sub(workers(trace));
    if restarts == 0 {
        return not_exercised(
            claim,
            "no worker was replaced: set policy=supervise, bug_every=20",
        );
    }
    let is_new = |(index, process): (usize, &WorkerRecord)| {
        summary.processes[..index]
            .iter()
            .all(|other| other.id != process.id)
    };
    let ids: Vec<String> = summary
        .processes
        .iter()
        .map(|process| process.id.to_string())
        .collect();
    CheckResult::Decided {
        claim,
        holds: summary.processes.iter().enumerate().all(is_new),
        evidence: format!("processes {}", ids.join(", ")),
    }
}

fn wrong_answers(trace: &Trace) -> CheckResult {
    let summary = HandlerSummary::of(trace);
    let is_swallowed = policy(trace) == BugPolicy::Swallow;
    let claim = if is_swallowed {
        "after a swallowed bug, a worker's responses are wrong"
    } else {
        "no response is wrong: after a bug a worker starts no request"
    }
    .to_owned();
    if summary.bugs() == 0 {
        return not_exercised(claim, NO_BUG);
    }
    let succeeded = |request: &&TransferRecord| request.end_count > 0 && request.failure.is_none();
    let succeeded_count = summary.requests.iter().filter(succeeded).count();
    let wrong = summary.requests.iter().filter(|it| it.is_wrong).count();
    let should_be_wrong =
        |request: &&TransferRecord| succeeded(request) && summary.ran_on_corrupt_ledger(request);
    let expected_wrong = summary.requests.iter().filter(should_be_wrong).count();
    if is_swallowed && expected_wrong == 0 {
        return not_exercised(claim, "no request followed a bug: set requests=60");
    }
    let matches_expectation =
        |request: &TransferRecord| request.is_wrong == should_be_wrong(&request);
    let available = Tally::of(trace).availability().unwrap_or(0);
    CheckResult::Decided {
        claim,
        holds: if is_swallowed {
            summary.requests.iter().all(matches_expectation)
                && (summary.lost() == 0 || summary.killed_from_outside() > 0)
        } else {
            wrong == 0 && expected_wrong == 0
        },
        evidence: format!(
            "{wrong} of {succeeded_count} successful responses are wrong; {}.{} % available",
            available / 10,
            available % 10
        ),
    }
}

fn retrying_a_bug(trace: &Trace) -> CheckResult {
    let summary = HandlerSummary::of(trace);
    let retries_all = trace.param("retry") == "everything";
    let claim = if retries_all {
        "retrying a bug multiplies load, and every attempt hits it again"
    } else {
        "bugs are not retried"
    }
    .to_owned();
    let requests_hit = summary.requests_with_bug().count();
    if requests_hit == 0 {
        return not_exercised(claim, NO_BUG);
    }
    let attempts = usize::try_from(ATTEMPTS).unwrap_or(0);
    // Fewer attempts are valid only if no worker was left.
    let was_retried = |request: &TransferRecord| {
        let is_rejected = request.failure == Some(REJECTED);
        request.attempt_count() == attempts || (is_rejected && request.attempt_count() < attempts)
    };
    let was_not_retried =
        |request: &TransferRecord| request.attempt_count() == 1 && request.retries == 0;
    let attempt_count: usize = summary
        .requests_with_bug()
        .map(TransferRecord::attempt_count)
        .sum();
    CheckResult::Decided {
        claim,
        holds: summary.requests_with_bug().all(|request| {
            if retries_all {
                was_retried(request)
            } else {
                was_not_retried(request)
            }
        }),
        evidence: format!(
            "{requests_hit} requests with a bug, {attempt_count} attempts, {} crashes",
            summary.crashes()
        ),
    }
}

fn gives_up(trace: &Trace) -> CheckResult {
    let claim =
        "after too many restarts the supervisor gives up, and requests get a 503".to_owned();
    let summary = HandlerSummary::of(trace);
    let Some(index) = summary.given_up else {
        let hint = "it did not happen: set bug_every=3, restarts=3, policy=supervise";
        return not_exercised(claim, hint);
    };
    let allowed_restarts: usize = trace.param("restarts").parse().unwrap_or(0);
    let is_later = |request: &&TransferRecord| request.begin > index;
    let later = summary.requests.iter().filter(is_later).count();
    // The supervisor counts only the crashes of the last period.
    let since = trace.events[index].at.saturating_sub(RESTART_PERIOD);
    let is_counted = |process: &&WorkerRecord| {
        let is_recent = |(exit, _): (usize, _)| trace.events[exit].at >= since && exit < index;
        let is_crash = process.has_crashed() || process.exited_with(KILLED_FROM_OUTSIDE);
        is_crash && process.exit.is_some_and(is_recent)
    };
    let crashed = summary.processes.iter().filter(is_counted);
    let crashed: Vec<_> = crashed.map(|process| process.worker).collect();
    let crashes_of_worker = |worker| crashed.iter().filter(|it| *it == worker).count();
    let max_crashes = crashed.iter().map(crashes_of_worker).max().unwrap_or(0);
    let is_rejected_request = |request: &TransferRecord| request.failure == Some(REJECTED);
    let remaining = summary
        .processes
        .iter()
        .filter(|process| process.exit.is_none())
        .count();
    CheckResult::Decided {
        claim,
        holds: max_crashes == allowed_restarts + 1
            && remaining == 0
            && summary
                .requests
                .iter()
                .filter(is_later)
                .all(is_rejected_request),
        evidence: format!(
            "{} crashes, {allowed_restarts} restarts allowed per worker; {later} later requests, {} of all got a 503",
            summary.crashes(),
            summary.ended_with(REJECTED)
        ),
    }
}

fn not_exercised(claim: String, hint: &str) -> CheckResult {
    CheckResult::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}
