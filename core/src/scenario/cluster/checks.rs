//! The checks of `cluster`.
//!
//! They depend on counts and record order, never on durations, so they hold in every
//! world.

use super::{
    front::{REJECTED, RESTART_PERIOD},
    request_log::{self, RequestRecord, RequestTotals},
    summary::{ClusterSummary, ProcessRecord, Reload},
};
use crate::{
    scenario::{
        checks::{Check, CheckResult},
        supervised_cluster::{NO_HEARTBEAT, NOT_DRAINED, RELOAD_ABORTED, RELOADED},
        workers::{KILLED_FROM_OUTSIDE, LOST},
    },
    trace::Trace,
};
use std::time::Duration;

pub(super) const ALL: &[Check] = &[
    Check::new("every-request-accounted", every_request_accounted),
    Check::new("failed-was-in-flight", failed_was_in_flight),
    Check::new("balanced", balanced),
    Check::new("bounded-queue", bounded_queue),
    Check::new("another-process", another_process),
    Check::new("crash-replaced", crash_replaced),
    Check::new("hang-detected", hang_detected),
    Check::new("reload", reload),
    Check::new("gives-up", gives_up),
];

/// The hint of a check that needs the records of all requests.
const NOT_ALL_RECORDED: &str = "not every request is recorded: set requests=2000, users=0";

fn every_request_accounted(trace: &Trace) -> CheckResult {
    let summary = ClusterSummary::of(trace);
    let requests = &summary.requests;
    let RequestTotals {
        sent,
        answered,
        lost,
        rejected,
    } = requests.totals();
    let failed = lost + rejected;
    let (claim, by_users) = match requests.users {
        0 => ("", String::new()),
        users => (
            "every user sends a request, and ",
            format!(" by {} of {users} users", requests.active_users),
        ),
    };
    let all_end_once = requests.all().iter().all(|it| it.end_count == 1);
    let totals_match = answered + failed == sent && requests.unknown_end_count() == 0;
    decided(
        &summary,
        [claim, "every request is answered or fails exactly once"].concat(),
        all_end_once && totals_match && requests.is_every_user_active(),
        format!("{sent} sent{by_users}: {answered} answered, {failed} failed"),
    )
}

fn failed_was_in_flight(trace: &Trace) -> CheckResult {
    let claim =
        "only requests in flight on a failed worker, or without a worker or a place to wait, fail"
            .to_owned();
    let summary = ClusterSummary::of(trace);
    let failed_workers = summary
        .processes
        .iter()
        .filter(|process| process.has_failed());
    let (failed, in_flight) = failed_workers.fold((0, 0), |(failed, in_flight), process| {
        (failed + 1, in_flight + process.in_flight)
    });
    let requests = &summary.requests;
    let ended_with = |failure| request_log::count(requests.recorded(), Some(failure));
    let [lost, rejected] = [LOST, REJECTED].map(ended_with);
    if failed + lost + rejected == 0 {
        return not_exercised(claim, "no worker failed: set event=kill");
    }
    let was_in_flight = |request: &RequestRecord| {
        request.call.is_some_and(|(process, call)| {
            let process = &summary.processes[process];
            let exit = process.exit.map_or(usize::MAX, |(exit, _)| exit);
            process.has_failed() && call < exit && exit < request.end
        })
    };
    // A rejection is valid only if the queue was full, the supervisor gave up or all
    // workers were stopped.
    let is_rejection_valid = |request: &RequestRecord| {
        let found_queue_full = summary.may_have_found_queue_full(request);
        let has_given_up = summary.given_up.is_some_and(|index| index < request.end);
        let is_stopped =
            trace.param("restart") == "stop_then_start" && summary.is_in_reload(request.end);
        request.call.is_none() && (found_queue_full || has_given_up || is_stopped)
    };
    let is_explained = |request: &RequestRecord| match request.failure {
        Some(LOST) => was_in_flight(request),
        Some(_) => is_rejection_valid(request),
        None => true,
    };
    decided(
        &summary,
        claim,
        lost <= in_flight && requests.recorded().all(is_explained),
        format!(
            "failed workers: {failed}, with {in_flight} in flight, {lost} lost; {rejected} rejected"
        ),
    )
}

fn balanced(trace: &Trace) -> CheckResult {
    let claim = match trace.param("balance") {
        "least_busy" => "each request goes to the least busy worker",
        "shared_queue" => {
            "requests go to free workers in order of arrival, and wait only if none is free"
        }
        _ => "requests go to the workers in turn",
    }
    .to_owned();
    let summary = ClusterSummary::of(trace);
    if summary.workers < 2 && trace.param("balance") != "shared_queue" {
        return not_exercised(claim, "there is only one worker: set workers=3");
    }
    if summary.requests.is_sample() {
        return not_exercised(claim, NOT_ALL_RECORDED);
    }
    let calls: u64 = summary.processes.iter().map(|process| process.calls).sum();
    let calls_by_process = summary.processes.iter().filter(|process| process.calls > 0);
    let calls_by_process: Vec<_> = calls_by_process
        .map(|process| process.calls.to_string())
        .collect();
    CheckResult::Decided {
        claim,
        holds: summary.misrouted_count == 0,
        evidence: format!(
            "{} of {calls} out of turn; per process: {}",
            summary.misrouted_count,
            calls_by_process.join(", ")
        ),
    }
}

fn bounded_queue(trace: &Trace) -> CheckResult {
    let summary = ClusterSummary::of(trace);
    let claim = format!(
        "at most {} requests wait, and requests are rejected beyond that",
        summary.queue
    );
    if summary.requests.is_sample() {
        return not_exercised(claim, NOT_ALL_RECORDED);
    }
    let rejected = summary
        .requests
        .recorded()
        .filter(|it| it.failure == Some(REJECTED));
    let rejected = rejected.filter(|it| it.found_queue_full).count();
    if rejected == 0 && summary.max_waiting <= summary.queue {
        return not_exercised(claim, "the queue was never full: set queue=3, work=50");
    }
    CheckResult::Decided {
        claim,
        holds: summary.max_waiting <= summary.queue,
        evidence: format!(
            "{} waited at most, {rejected} rejected",
            summary.max_waiting
        ),
    }
}

fn another_process(trace: &Trace) -> CheckResult {
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

fn crash_replaced(trace: &Trace) -> CheckResult {
    let claim = "a worker that exits unexpectedly is replaced".to_owned();
    let summary = ClusterSummary::of(trace);
    if summary.given_up.is_some() {
        return not_exercised(
            claim,
            "the supervisor gave up: set event=kill, times=fixed, restarts=5",
        );
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

fn hang_detected(trace: &Trace) -> CheckResult {
    let claim = "a worker that hangs is killed for missing heartbeats".to_owned();
    let summary = ClusterSummary::of(trace);
    // A supervisor that gives up drains the other workers.
    let is_drained = |process: &ProcessRecord| {
        let exit = process.exit.map_or(0, |(exit, _)| exit);
        process.exited_with(NOT_DRAINED) && summary.given_up.is_some_and(|it| it < exit)
    };
    // A request that takes longer than the heartbeat timeout looks like a hang.
    let hanging = summary.processes.iter().filter(|process| {
        process.has_hung && !is_drained(process) || process.exited_with(NO_HEARTBEAT)
    });
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

fn reload(trace: &Trace) -> CheckResult {
    let is_broken_version = trace.param("event") == "bad_reload";
    let is_rolling = trace.param("restart") == "rolling";
    let claim = match (is_rolling, is_broken_version) {
        (true, false) => {
            "a rolling reload replaces every worker at full capacity and fails no request"
        }
        (true, true) => {
            "a rolling reload aborts when the new worker crashes; the old ones keep serving and it fails no request"
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
    let is_killed = |process: &&ProcessRecord| {
        process.exited_with(KILLED_FROM_OUTSIDE) || process.exited_with(NO_HEARTBEAT)
    };
    // A worker may be killed from outside, or because a request took longer than the
    // heartbeat timeout.
    let has_kill = summary.processes.iter().any(|it| is_killed(&it));
    if summary.given_up.is_some() && has_kill {
        return not_exercised(claim, "the supervisor gave up: set times=fixed, restarts=5");
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
    let was_incomplete = reload.ready_at_begin < summary.workers;
    let mut kills = summary.processes.iter().filter(is_killed);
    let has_unrelated_exit = was_incomplete
        || kills.any(|it| it.exit.is_some_and(|(exit, _)| summary.is_in_reload(exit)));
    let failed_by_reload = |it: &&RequestRecord| match (it.failure, it.call) {
        (Some(LOST), Some((process, _))) => {
            let process = &summary.processes[process];
            !process.exited_unexpectedly() && !process.exited_with(KILLED_FROM_OUTSIDE)
        }
        (Some(_), _) => !summary.may_have_found_queue_full(it) && summary.is_in_reload(it.end),
        (None, _) => false,
    };
    let requests = &summary.requests;
    let totals = requests.totals();
    let mut failed = requests.recorded().filter(failed_by_reload).count() as u64;
    if requests.is_sample() && !was_incomplete && !has_kill {
        // Only the reload or a full queue can fail requests.
        failed = totals.lost;
        if !summary.is_bounded() {
            failed += totals.rejected;
        }
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
            "{replaced} replaced, {started} started, at least {} of {} ready; it failed {failed} of {} requests",
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

fn gives_up(trace: &Trace) -> CheckResult {
    let restarts: usize = trace.param("restarts").parse().unwrap_or(0);
    let claim = format!(
        "if a worker fails after {restarts} restarts within a minute, the supervisor gives up and starts no more"
    );
    let summary = ClusterSummary::of(trace);
    let stops_first = trace.param("restart") == "stop_then_start";
    let should_give_up = match trace.param("event") {
        // Without a ready worker, none is killed.
        "crash_loop" => summary
            .processes
            .iter()
            .any(|process| process.exited_with(KILLED_FROM_OUTSIDE)),
        "bad_reload" => stops_first,
        _ => false,
    };
    let Some(index) = summary.given_up.or(should_give_up.then_some(usize::MAX)) else {
        return not_exercised(claim, "it did not give up: set event=crash_loop");
    };
    let is_before = |process: &&ProcessRecord| process.exit.is_some_and(|(exit, _)| exit < index);
    let exits: Vec<_> = summary.unexpected_exits().filter(is_before).collect();
    let at = |index: usize| trace.events.get(index).map(|event| event.at);
    let given_up_at = at(index).unwrap_or(Duration::MAX);
    // A reload changes the names of the workers.
    let reload = summary.reload.as_ref().filter(|it| it.begin < index);
    let renamed = reload.map_or(0, |it| it.end.map_or(index, |(end, _)| end));
    let is_recent = |process: &&&ProcessRecord| {
        let exit = process.exit.filter(|(exit, _)| *exit > renamed);
        let exit = exit.and_then(|(exit, _)| at(exit));
        exit.is_some_and(|exit| given_up_at.saturating_sub(exit) < RESTART_PERIOD)
    };
    let exits_of_worker = |it: &&ProcessRecord| {
        let recent = exits.iter().filter(is_recent);
        recent.filter(|process| process.worker == it.worker).count()
    };
    // A replacement may run under another name, so this is a lower bound.
    let max_exits = exits.iter().map(exits_of_worker).max().unwrap_or(0);
    let exits = exits.len();
    let later_requests = summary
        .requests
        .recorded()
        .filter(|it| it.begin > Some(index));
    let is_rejected = |request: &RequestRecord| request.failure == Some(REJECTED);
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
            && later_requests.clone().all(is_rejected),
        format!(
            "{exits} unexpected exits before, at least {max_exits} of one worker in the last minute; {started} starts after; {} later requests, all rejected",
            later_requests.count()
        ),
    )
}

/// Decides a check. The evidence mentions if only a sample is recorded.
fn decided(
    summary: &ClusterSummary,
    claim: String,
    holds: bool,
    mut evidence: String,
) -> CheckResult {
    let sampling = summary.requests.sampling;
    if sampling.every > 1 {
        let what = if sampling.has_users {
            "user"
        } else {
            "request"
        };
        evidence.extend(["; recorded: 1 ", what, " in ", &sampling.every.to_string()]);
    }
    CheckResult::Decided {
        claim,
        holds,
        evidence,
    }
}

fn not_exercised(claim: String, hint: &str) -> CheckResult {
    CheckResult::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}
