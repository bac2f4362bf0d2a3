//! Checks of workers: replacement, hangs, reloads and giving up.

use super::{decided, not_exercised};
use crate::{
    scenario::{
        checks::CheckResult,
        cluster::{
            NO_HEARTBEAT, NOT_DRAINED, REFUSED, RELOAD_ABORTED, RELOADED,
            request_log::RequestRecord,
            summary::{ClusterSummary, ProcessRecord, Reload},
        },
        workers::{KILLED_FROM_OUTSIDE, LOST},
    },
    trace::Trace,
};

pub(super) fn another_process(trace: &Trace) -> CheckResult {
    let summary = ClusterSummary::of(trace);
    let is_new = |(index, process): (usize, &ProcessRecord)| {
        let is_other = |other: &ProcessRecord| other.id != process.id;
        process.id > 0 && summary.processes[..index].iter().all(is_other)
    };
    let ids: Vec<_> = summary
        .processes
        .iter()
        .map(|process| process.id.to_string())
        .collect();
    CheckResult::Decided {
        claim: "every worker is a separate process, and no process id repeats".to_owned(),
        holds: summary.processes.len() >= summary.workers
            && summary.processes.iter().enumerate().all(is_new),
        evidence: format!("processes {}", ids.join(", ")),
    }
}

pub(super) fn crash_replaced(trace: &Trace) -> CheckResult {
    let claim = "a worker that exits unexpectedly is replaced".to_owned();
    let summary = ClusterSummary::of(trace);
    if summary.given_up.is_some() {
        return not_exercised(claim, "the supervisor gave up: set event=kill, restarts=5");
    }
    let exits = summary.unexpected_exits().count();
    if exits == 0 {
        return not_exercised(claim, "no worker exited: set event=kill");
    }
    let started = summary.processes.len().saturating_sub(summary.workers);
    CheckResult::Decided {
        claim,
        holds: summary.is_complete && started >= exits,
        evidence: format!("{exits} unexpected exits, {started} replacements"),
    }
}

pub(super) fn hang_detected(trace: &Trace) -> CheckResult {
    let claim = "a worker that hangs is killed for missing heartbeats".to_owned();
    let summary = ClusterSummary::of(trace);
    let hanging = summary.processes.iter().filter(|process| process.has_hung);
    let is_killed = |process: &&ProcessRecord| {
        process.exited_with(NO_HEARTBEAT) || process.exited_with(KILLED_FROM_OUTSIDE)
    };
    let (killed, missed): (Vec<_>, Vec<_>) = hanging.partition(is_killed);
    if killed.is_empty() && missed.is_empty() {
        return not_exercised(claim, "no worker hung: set event=hang");
    }
    decided(
        &summary,
        claim,
        missed.is_empty(),
        format!(
            "{} killed, {} not detected; {} requests lost",
            killed.len(),
            missed.len(),
            killed.iter().map(|process| process.in_flight).sum::<u64>()
        ),
    )
}

pub(super) fn reload(trace: &Trace) -> CheckResult {
    let is_broken_version = trace.param("event") == "bad_reload";
    let is_rolling = trace.param("restart") == "rolling";
    let claim = match (is_rolling, is_broken_version) {
        (true, false) => {
            "a rolling reload replaces every worker at full capacity, and no request fails"
        }
        (true, true) => {
            "a rolling reload aborts when the new worker crashes; the old ones keep serving and no request fails"
        }
        (false, _) => {
            "stopping all workers first leaves none for a while, and requests fail"
        }
    }
    .to_owned();
    let summary = ClusterSummary::of(trace);
    let Some(reload) = &summary.reload else {
        return not_exercised(claim, "there was no reload: set event=reload");
    };
    if is_rolling
        && summary
            .processes
            .iter()
            .any(|it| it.exited_with(NOT_DRAINED))
    {
        return not_exercised(
            claim,
            "a worker did not drain in time: set work=25, interval=15",
        );
    }
    let is_old_process = |process: &&ProcessRecord| process.started < reload.begin;
    let replaced = summary.processes.iter().filter(is_old_process);
    let replaced = replaced
        .filter(|process| exited_during(process, reload))
        .count();
    let started = summary
        .processes
        .iter()
        .filter(|process| !is_old_process(process))
        .count();
    // A worker may be killed from outside during the reload.
    let has_unrelated_exit = summary.processes.iter().any(|process| {
        let is_unrelated =
            process.exited_with(KILLED_FROM_OUTSIDE) || process.exited_with(NO_HEARTBEAT);
        is_unrelated
            && process
                .exit
                .is_some_and(|(exit, _)| summary.is_in_reload(exit))
    });
    let failed_by_reload = |it: &&RequestRecord| match (it.failure, it.call) {
        (Some(LOST), Some((process, _))) => {
            let process = &summary.processes[process];
            !process.exited_unexpectedly() && !process.exited_with(KILLED_FROM_OUTSIDE)
        }
        (Some(_), _) => summary.is_in_reload(it.end),
        (None, _) => false,
    };
    let requests = &summary.requests;
    let totals = requests.totals();
    let mut failed = requests.recorded().iter().filter(failed_by_reload).count() as u64;
    if requests.is_sample() && !has_unrelated_exit {
        // Only the reload can fail requests.
        failed = totals.lost + totals.refused;
    }
    let outcome = reload.end.map(|(_, outcome)| outcome);
    let is_complete = has_unrelated_exit || reload.min_ready_count >= summary.workers;
    let holds = match (is_rolling, is_broken_version) {
        (true, false) => {
            let all = replaced == summary.workers && started >= summary.workers;
            is_complete && failed == 0 && (has_unrelated_exit || all && outcome == Some(RELOADED))
        }
        (true, true) => {
            is_complete
                && failed == 0
                && (has_unrelated_exit || replaced == 0 && outcome == Some(RELOAD_ABORTED))
        }
        (false, false) => reload.min_ready_count == 0 && outcome == Some(RELOADED),
        (false, true) => reload.min_ready_count == 0 && summary.given_up.is_some(),
    };
    CheckResult::Decided {
        claim,
        holds,
        evidence: format!(
            "{replaced} replaced, {started} started, at least {} of {} ready; {failed} of {} requests failed",
            reload.min_ready_count, summary.workers, totals.sent
        ),
    }
}

/// Returns whether a process exited during the reload.
fn exited_during(process: &ProcessRecord, reload: &Reload) -> bool {
    let end = reload.end.map_or(usize::MAX, |(end, _)| end);
    process
        .exit
        .is_some_and(|(exit, _)| reload.begin < exit && exit < end)
}

pub(super) fn gives_up(trace: &Trace) -> CheckResult {
    let restarts: usize = trace.param("restarts").parse().unwrap_or(0);
    let claim = format!(
        "if a worker crashes after {restarts} restarts, the supervisor gives up and starts no more"
    );
    let summary = ClusterSummary::of(trace);
    let stops_first = trace.param("restart") == "stop_then_start";
    let should_give_up = match trace.param("event") {
        "crash_loop" => true,
        "bad_reload" => stops_first,
        _ => false,
    };
    let Some(index) = summary.given_up.or(should_give_up.then_some(usize::MAX)) else {
        return not_exercised(claim, "it did not give up: set event=crash_loop");
    };
    let is_before = |process: &&ProcessRecord| process.exit.is_some_and(|(exit, _)| exit < index);
    let exits: Vec<_> = summary.unexpected_exits().filter(is_before).collect();
    let exits_of_worker = |it: &&ProcessRecord| {
        exits
            .iter()
            .filter(|process| process.worker == it.worker)
            .count()
    };
    // A replacement may run under another name, so this is a lower bound.
    let max_exits = exits.iter().map(exits_of_worker).max().unwrap_or(0);
    let exits = exits.len();
    let later_requests = summary
        .requests
        .recorded()
        .iter()
        .filter(|it| it.begin > Some(index));
    let is_refused = |request: &RequestRecord| request.failure == Some(REFUSED);
    let started = summary
        .processes
        .iter()
        .filter(|it| it.started > index)
        .count();
    decided(
        &summary,
        claim,
        summary.given_up.is_some()
            && max_exits <= restarts + 1
            && exits > restarts
            && started == 0
            && later_requests.clone().all(is_refused),
        format!(
            "{exits} unexpected exits before, {started} starts after; {} later requests, all refused",
            later_requests.count()
        ),
    )
}
