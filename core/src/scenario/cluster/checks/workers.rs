//! About workers: who ends, who is replaced, who has had enough.

use super::{decided, not_exercised};
use crate::{
    scenario::{
        checks::CheckResult,
        cluster::{
            NO_SIGN_OF_LIFE, NOT_DRAINED, REFUSED, RELOAD_ABORTED, RELOADED,
            request_log::RequestRecord,
            summary::{ClusterSummary, ProcessRecord, Reload},
        },
        workers::{KILLED_FROM_OUTSIDE, LOST},
    },
    trace::Trace,
};

pub(super) fn another_process(trace: &Trace) -> CheckResult {
    let summary = ClusterSummary::of(trace);
    let is_new = |(place, process): (usize, &ProcessRecord)| {
        let is_other = |other: &ProcessRecord| other.id != process.id;
        process.id > 0 && summary.processes[..place].iter().all(is_other)
    };
    let ids: Vec<_> = summary
        .processes
        .iter()
        .map(|process| process.id.to_string())
        .collect();
    CheckResult::Decided {
        claim: "every worker is a process of its own, and no process serves twice".to_owned(),
        holds: summary.processes.len() >= summary.workers
            && summary.processes.iter().enumerate().all(is_new),
        evidence: format!("processes {}", ids.join(", ")),
    }
}

pub(super) fn who_ends_is_replaced(trace: &Trace) -> CheckResult {
    let claim = "who ends unasked is replaced, until as many are ready as before".to_owned();
    let summary = ClusterSummary::of(trace);
    if summary.given_up.is_some() {
        return not_exercised(claim, "the supervisor gave up: set event=kill, restarts=5");
    }
    let unasked = summary.unasked().count();
    if unasked == 0 {
        return not_exercised(claim, "nobody ended: set event=kill");
    }
    let started = summary.processes.len().saturating_sub(summary.workers);
    CheckResult::Decided {
        claim,
        holds: summary.is_whole && started >= unasked,
        evidence: format!("{unasked} ended unasked, {started} started after the first"),
    }
}

pub(super) fn who_hangs_is_found(trace: &Trace) -> CheckResult {
    let claim = "a worker that hangs is killed, since it gives no sign of life".to_owned();
    let summary = ClusterSummary::of(trace);
    let hanging = summary.processes.iter().filter(|process| process.hangs);
    let is_found = |process: &&ProcessRecord| {
        process.ended_by(NO_SIGN_OF_LIFE) || process.ended_by(KILLED_FROM_OUTSIDE)
    };
    let (found, missed): (Vec<_>, Vec<_>) = hanging.partition(is_found);
    if found.is_empty() && missed.is_empty() {
        return not_exercised(claim, "nobody hung: set event=hang");
    }
    decided(
        &summary,
        claim,
        missed.is_empty(),
        format!(
            "{} killed, {} still there; {} requests were lost with it",
            found.len(),
            missed.len(),
            found.iter().map(|process| process.in_flight).sum::<u64>()
        ),
    )
}

pub(super) fn reload(trace: &Trace) -> CheckResult {
    let is_bad = trace.param("event") == "bad_reload";
    let is_rolling = trace.param("restart") == "rolling";
    let claim = match (is_rolling, is_bad) {
        (true, false) => {
            "a rolling reload replaces every worker, never fewer are ready, and no request fails"
        }
        (true, true) => {
            "a rolling reload whose first new worker dies is aborted: the old ones go on, and no request fails"
        }
        (false, _) => {
            "who stops all workers first has none for a while, and fails what is in flight or comes then"
        }
    }
    .to_owned();
    let summary = ClusterSummary::of(trace);
    let Some(reload) = &summary.reload else {
        return not_exercised(claim, "nobody reloaded: set event=reload");
    };
    if is_rolling && summary.processes.iter().any(|it| it.ended_by(NOT_DRAINED)) {
        return not_exercised(
            claim,
            "some had not drained when their time was up: set work=25, interval=15",
        );
    }
    let began = |process: &&ProcessRecord| process.started < reload.begin;
    let left = summary.processes.iter().filter(began);
    let left = left.filter(|process| is_gone_by(process, reload)).count();
    let came = summary
        .processes
        .iter()
        .filter(|process| !began(process))
        .count();
    // Somebody else may kill a worker meanwhile, and that is not the reload's.
    let is_disturbed = summary.processes.iter().any(|process| {
        let is_others = process.ended_by(KILLED_FROM_OUTSIDE) || process.ended_by(NO_SIGN_OF_LIFE);
        is_others
            && process
                .exit
                .is_some_and(|(exit, _)| summary.is_in_reload(exit))
    });
    let with_reload = |it: &&RequestRecord| match (it.failure, it.call) {
        (Some(LOST), Some((process, _))) => {
            let process = &summary.processes[process];
            !process.ended_unasked() && !process.ended_by(KILLED_FROM_OUTSIDE)
        }
        (Some(_), _) => summary.is_in_reload(it.end),
        (None, _) => false,
    };
    let requests = &summary.requests;
    let totals = requests.totals();
    let mut failed = requests.on_record().iter().filter(with_reload).count() as u64;
    if requests.is_sample() && !is_disturbed {
        // Nothing else happens.
        failed = totals.lost + totals.refused;
    }
    let ended = reload.end.map(|(_, how)| how);
    let is_whole = is_disturbed || reload.fewest >= summary.workers;
    let holds = match (is_rolling, is_bad) {
        (true, false) => {
            let all = left == summary.workers && came >= summary.workers;
            is_whole && failed == 0 && (is_disturbed || all && ended == Some(RELOADED))
        }
        (true, true) => {
            is_whole && failed == 0 && (is_disturbed || left == 0 && ended == Some(RELOAD_ABORTED))
        }
        (false, false) => reload.fewest == 0 && ended == Some(RELOADED),
        (false, true) => reload.fewest == 0 && summary.given_up.is_some(),
    };
    CheckResult::Decided {
        claim,
        holds,
        evidence: format!(
            "{left} replaced, {came} started, at worst {} of {} ready; {failed} of {} requests failed",
            reload.fewest, summary.workers, totals.sent
        ),
    }
}

/// Whether a worker was replaced: it was gone before the reload was over.
fn is_gone_by(process: &ProcessRecord, reload: &Reload) -> bool {
    let over = reload.end.map_or(usize::MAX, |(end, _)| end);
    process
        .exit
        .is_some_and(|(exit, _)| reload.begin < exit && exit < over)
}

pub(super) fn gives_up(trace: &Trace) -> CheckResult {
    let restarts: usize = trace.param("restarts").parse().unwrap_or(0);
    let claim = format!(
        "after {restarts} restarts of one worker its next end is one too many: the supervisor gives up, and starts nobody"
    );
    let summary = ClusterSummary::of(trace);
    let stops_first = trace.param("restart") == "stop_then_start";
    let is_due = match trace.param("event") {
        "crash_loop" => true,
        "bad_reload" => stops_first,
        _ => false,
    };
    let Some(place) = summary.given_up.or(is_due.then_some(usize::MAX)) else {
        return not_exercised(claim, "it never came to that: set event=crash_loop");
    };
    let is_before = |process: &&ProcessRecord| process.exit.is_some_and(|(exit, _)| exit < place);
    let ended: Vec<_> = summary.unasked().filter(is_before).collect();
    let of_worker = |it: &&ProcessRecord| {
        ended
            .iter()
            .filter(|process| process.worker == it.worker)
            .count()
    };
    // A replacement may have had another place.
    let most = ended.iter().map(of_worker).max().unwrap_or(0);
    let ended = ended.len();
    let later = summary
        .requests
        .on_record()
        .iter()
        .filter(|it| it.begin > Some(place));
    let refused = |request: &RequestRecord| request.failure == Some(REFUSED);
    let started = summary
        .processes
        .iter()
        .filter(|it| it.started > place)
        .count();
    decided(
        &summary,
        claim,
        summary.given_up.is_some()
            && most <= restarts + 1
            && ended > restarts
            && started == 0
            && later.clone().all(refused),
        format!(
            "{ended} ended unasked before, {started} started after; {} requests came then, and were refused",
            later.count()
        ),
    )
}
