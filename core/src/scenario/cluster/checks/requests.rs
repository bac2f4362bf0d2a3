//! Checks of requests: outcomes and load balancing.

use super::{decided, not_exercised};
use crate::{
    scenario::{
        checks::CheckResult,
        cluster::{
            REFUSED,
            request_log::{RequestRecord, RequestTotals},
            summary::ClusterSummary,
        },
        workers::LOST,
    },
    trace::Trace,
};

pub(super) fn every_request_accounted(trace: &Trace) -> CheckResult {
    let summary = ClusterSummary::of(trace);
    let requests = &summary.requests;
    let RequestTotals {
        sent,
        answered,
        lost,
        refused,
    } = requests.totals();
    let failed = lost + refused;
    let (claim, by_users) = match requests.users {
        0 => ("", String::new()),
        users => (
            "every user sends a request, and ",
            format!(" by {} of {users} users", requests.active_users),
        ),
    };
    let all_end_once = requests.recorded().iter().all(|it| it.end_count == 1);
    let totals_match = answered + failed == sent && requests.unknown_end_count() == 0;
    decided(
        &summary,
        [claim, "every request is answered or fails exactly once"].concat(),
        all_end_once && totals_match && requests.is_every_user_active(),
        format!("{sent} sent{by_users}: {answered} answered, {failed} failed"),
    )
}

pub(super) fn failed_was_in_flight(trace: &Trace) -> CheckResult {
    let claim = "only requests in flight on a failed worker, or without a worker, fail".to_owned();
    let summary = ClusterSummary::of(trace);
    let failed_workers = summary
        .processes
        .iter()
        .filter(|process| process.has_failed());
    let (failed, in_flight) = failed_workers.fold((0, 0), |(failed, in_flight), process| {
        (failed + 1, in_flight + process.in_flight)
    });
    let requests = &summary.requests;
    let [lost, refused] = [LOST, REFUSED].map(|failure| requests.ended_with(Some(failure)));
    if failed + lost + refused == 0 {
        return not_exercised(claim, "no worker failed: set event=kill");
    }
    let was_in_flight = |request: &RequestRecord| {
        request.call.is_some_and(|(process, call)| {
            let process = &summary.processes[process];
            let exit = process.exit.map_or(usize::MAX, |(exit, _)| exit);
            process.has_failed() && call < exit && exit < request.end
        })
    };
    // A refusal is valid only if the supervisor gave up or all workers were stopped.
    let had_no_worker = |request: &RequestRecord| {
        let has_given_up = summary.given_up.is_some_and(|index| index < request.end);
        let is_stopped = trace.param("restart") == "stop_then_start";
        request.call.is_none() && (has_given_up || is_stopped && summary.is_in_reload(request.end))
    };
    let is_explained = |request: &RequestRecord| match request.failure {
        Some(LOST) => was_in_flight(request),
        Some(_) => had_no_worker(request),
        None => true,
    };
    decided(
        &summary,
        claim,
        lost <= in_flight && requests.recorded().iter().all(is_explained),
        format!(
            "failed workers: {failed}, with {in_flight} in flight, {lost} lost; {refused} refused"
        ),
    )
}

pub(super) fn balanced(trace: &Trace) -> CheckResult {
    let claim = match trace.param("balance") {
        "least_busy" => "each request goes to the least busy worker",
        _ => "requests go to the workers in turn",
    }
    .to_owned();
    let summary = ClusterSummary::of(trace);
    if summary.workers < 2 {
        return not_exercised(claim, "there is only one worker: set workers=3");
    }
    if summary.requests.is_sample() {
        return not_exercised(claim, "not every request is recorded: set users=2000");
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
