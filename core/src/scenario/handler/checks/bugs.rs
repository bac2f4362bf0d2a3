//! About bugs: who ends by them, who is wrong after them, who has had enough.

use super::{NO_BUG, Policy, not_exercised, policy};
use crate::{
    scenario::{
        checks::CheckResult,
        handler::{
            ATTEMPTS,
            summary::{HandlerSummary, TransferRecord, WorkerRecord, workers},
        },
        railway::Tally,
        workers::{KILLED, KILLED_FROM_OUTSIDE},
    },
    trace::Trace,
};

const TURNED_DOWN: &str = "503 unavailable";

pub(super) fn operational_restarts_nothing(trace: &Trace) -> CheckResult {
    let claim = "no operational error ends a worker: only a bug or a kill does".to_owned();
    let summary = HandlerSummary::of(trace);
    let errors: usize = summary
        .processes
        .iter()
        .map(|process| process.operational)
        .sum();
    // Whoever ended had a bug, or was killed: when the supervisor gave up, or by
    // somebody else.
    let ended = summary
        .processes
        .iter()
        .filter(|process| match process.exit {
            Some((_, cause)) => cause.is_some(),
            None => false,
        });
    let is_explained = |ended: &&WorkerRecord| {
        ended.bugs > 0
            || (ended.ended_by(KILLED) && summary.given_up.is_some())
            || ended.ended_by(KILLED_FROM_OUTSIDE)
    };
    let (explained, ended): (Vec<_>, Vec<_>) = ended.partition(is_explained);
    let without = ended.len() + summary.stillborn;
    if errors == 0 && without == 0 {
        return not_exercised(claim, "there were none: set operational=20");
    }
    CheckResult::Decided {
        claim,
        holds: without == 0,
        evidence: format!(
            "{errors} operational errors; {} workers ended by a bug or a kill, {without} by neither",
            explained.len()
        ),
    }
}

pub(super) fn bug_and_restart(trace: &Trace) -> CheckResult {
    let summary = HandlerSummary::of(trace);
    let policy = policy(trace);
    let claim = match policy {
        Policy::Supervise if summary.given_up.is_some() => {
            "every bug ends its worker, and all but those at the end are replaced"
        }
        Policy::Supervise => "every bug ends one worker, and one takes its place",
        Policy::Crash => "every bug ends its worker for good: nobody takes its place",
        Policy::Swallow => "no bug ends a worker",
    }
    .to_owned();
    let bugs = summary.bugs();
    if bugs == 0 {
        return not_exercised(claim, NO_BUG);
    }
    let restarts = summary.processes.len().saturating_sub(workers(trace));
    let crashes = summary.crashes();
    let killed = summary.killed_from_outside();
    let had_one = |process: &WorkerRecord| {
        process.bugs == usize::from(process.has_crashed()) || process.ended_by(KILLED_FROM_OUTSIDE)
    };
    let one_each = summary.processes.iter().all(had_one);
    let are_replaced = (0..summary.processes.len())
        .all(|process| !summary.processes[process].has_crashed() || summary.is_replaced(process));
    CheckResult::Decided {
        claim,
        holds: match policy {
            Policy::Supervise if summary.given_up.is_some() => {
                restarts < crashes + killed && summary.processes.iter().all(had_its_end)
            }
            Policy::Supervise => one_each && are_replaced && restarts == crashes + killed,
            Policy::Crash => {
                crashes > 0 && restarts == 0 && summary.processes.iter().all(died_of_it)
            }
            Policy::Swallow => crashes == 0 && restarts == killed,
        },
        evidence: format!("{bugs} bugs, {crashes} workers ended by one, {restarts} replaced"),
    }
}

/// Whoever had a bug has ended by it, or was killed as all were.
fn had_its_end(process: &WorkerRecord) -> bool {
    let is_killed = process.ended_by(KILLED) || process.ended_by(KILLED_FROM_OUTSIDE);
    process.has_crashed() || process.bugs == 0 || is_killed
}

/// Whoever had a bug is dead, and nobody else is.
fn died_of_it(process: &WorkerRecord) -> bool {
    process.has_crashed() == (process.bugs > 0)
}

pub(super) fn another_process(trace: &Trace) -> CheckResult {
    let claim = "who takes the place of a worker is another process".to_owned();
    let summary = HandlerSummary::of(trace);
    let restarts = summary.processes.len().saturating_sub(workers(trace));
    if restarts == 0 {
        return not_exercised(
            claim,
            "nobody was replaced: set policy=supervise, bug_every=20",
        );
    }
    let is_new = |(place, process): (usize, &WorkerRecord)| {
        summary.processes[..place]
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

pub(super) fn wrong_answers(trace: &Trace) -> CheckResult {
    let summary = HandlerSummary::of(trace);
    let is_swallowed = policy(trace) == Policy::Swallow;
    let claim = if is_swallowed {
        "after a bug that was swallowed a worker's answers are wrong, though every request is answered"
    } else {
        "no answer is wrong: who has had a bug begins nothing more"
    }
    .to_owned();
    if summary.bugs() == 0 {
        return not_exercised(claim, NO_BUG);
    }
    let succeeded = |request: &&TransferRecord| request.ends > 0 && request.failure.is_none();
    let good = summary.requests.iter().filter(succeeded).count();
    let wrong = summary.requests.iter().filter(|it| it.is_wrong).count();
    let is_due = |request: &&TransferRecord| succeeded(request) && summary.is_tainted(request);
    let due = summary.requests.iter().filter(is_due).count();
    if is_swallowed && due == 0 {
        return not_exercised(claim, "none came after a bug: set requests=60");
    }
    let is_right = |request: &TransferRecord| request.is_wrong == is_due(&request);
    let available = Tally::of(trace).availability().unwrap_or(0);
    CheckResult::Decided {
        claim,
        holds: if is_swallowed {
            summary.requests.iter().all(is_right)
                && (summary.lost() == 0 || summary.killed_from_outside() > 0)
        } else {
            wrong == 0 && due == 0
        },
        evidence: format!(
            "{wrong} of {good} good answers are wrong; {}.{} % available",
            available / 10,
            available % 10
        ),
    }
}

pub(super) fn retrying_a_bug(trace: &Trace) -> CheckResult {
    let summary = HandlerSummary::of(trace);
    let retries_all = trace.param("retry") == "everything";
    let claim = if retries_all {
        "retrying a bug multiplies the load, and each attempt meets the bug again"
    } else {
        "a bug is not retried"
    }
    .to_owned();
    let hit = summary.with_bug().count();
    if hit == 0 {
        return not_exercised(claim, NO_BUG);
    }
    let attempts = usize::try_from(ATTEMPTS).unwrap_or(0);
    // Unless nobody was left to try it.
    let was_retried = |request: &TransferRecord| {
        let is_turned_down = request.failure == Some(TURNED_DOWN);
        request.tries() == attempts || (is_turned_down && request.tries() < attempts)
    };
    let was_not = |request: &TransferRecord| request.tries() == 1 && request.retries == 0;
    let tries: usize = summary.with_bug().map(TransferRecord::tries).sum();
    CheckResult::Decided {
        claim,
        holds: summary.with_bug().all(|request| {
            if retries_all {
                was_retried(request)
            } else {
                was_not(request)
            }
        }),
        evidence: format!(
            "{hit} requests with a bug were tried {tries} times, and {} workers ended by it",
            summary.crashes()
        ),
    }
}

pub(super) fn gives_up(trace: &Trace) -> CheckResult {
    let claim =
        "when a worker ends more often than it may be replaced, the supervisor gives up and requests get a 503"
            .to_owned();
    let summary = HandlerSummary::of(trace);
    let Some(place) = summary.given_up else {
        let hint = "it never came to that: set bug_every=3, restarts=3, policy=supervise";
        return not_exercised(claim, hint);
    };
    let allowed: usize = trace.param("restarts").parse().unwrap_or(0);
    let is_later = |request: &&TransferRecord| request.begin > place;
    let later = summary.requests.iter().filter(is_later).count();
    let counts =
        |process: &&WorkerRecord| process.has_crashed() || process.ended_by(KILLED_FROM_OUTSIDE);
    let ended = summary.processes.iter().filter(counts);
    let ended: Vec<_> = ended.map(|process| process.worker).collect();
    let of_worker = |worker| ended.iter().filter(|it| *it == worker).count();
    let most = ended.iter().map(of_worker).max().unwrap_or(0);
    let turned_down = |request: &TransferRecord| request.failure == Some(TURNED_DOWN);
    let left = summary
        .processes
        .iter()
        .filter(|process| process.exit.is_none())
        .count();
    CheckResult::Decided {
        claim,
        holds: most == allowed + 1
            && left == 0
            && summary.requests.iter().filter(is_later).all(turned_down),
        evidence: format!(
            "{} workers ended by a bug, {allowed} replacements allowed of each; {later} requests came after, {} of all got a 503",
            summary.crashes(),
            summary.ended_with(TURNED_DOWN)
        ),
    }
}
