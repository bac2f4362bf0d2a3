//! About requests: who gets them, and what becomes of them.

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
    let (claim, of_users) = match requests.users {
        0 => ("", String::new()),
        users => (
            "every user asks, and ",
            format!(" by {} of {users} users", requests.asked),
        ),
    };
    let are_once = requests.on_record().iter().all(|it| it.ends == 1);
    let is_complete = answered + failed == sent && requests.strays() == 0;
    decided(
        &summary,
        [claim, "every request is answered or has failed, once"].concat(),
        are_once && is_complete && requests.have_all_asked(),
        format!("{sent} sent{of_users}: {answered} answered, {failed} failed"),
    )
}

pub(super) fn failed_was_in_flight(trace: &Trace) -> CheckResult {
    let claim =
        "no request fails but those in flight on a worker that died, and those that found nobody"
            .to_owned();
    let summary = ClusterSummary::of(trace);
    let died = summary
        .processes
        .iter()
        .filter(|process| process.has_died());
    let (dead, in_flight) = died.fold((0, 0), |(dead, in_flight), process| {
        (dead + 1, in_flight + process.in_flight)
    });
    let requests = &summary.requests;
    let [lost, refused] = [LOST, REFUSED].map(|how| requests.ended_with(Some(how)));
    if dead + lost + refused == 0 {
        return not_exercised(claim, "nobody died: set event=kill");
    }
    let was_in_flight = |request: &RequestRecord| {
        request.call.is_some_and(|(process, call)| {
            let process = &summary.processes[process];
            let exit = process.exit.map_or(usize::MAX, |(exit, _)| exit);
            process.has_died() && call < exit && exit < request.end
        })
    };
    // That is no excuse for a supervisor that goes on, and does not stop first.
    let was_nobody_there = |request: &RequestRecord| {
        let is_given_up = summary.given_up.is_some_and(|place| place < request.end);
        let is_stopped = trace.param("restart") == "stop_then_start";
        request.call.is_none() && (is_given_up || is_stopped && summary.is_in_reload(request.end))
    };
    let is_explained = |request: &RequestRecord| match request.failure {
        Some(LOST) => was_in_flight(request),
        Some(_) => was_nobody_there(request),
        None => true,
    };
    decided(
        &summary,
        claim,
        lost <= in_flight && requests.on_record().iter().all(is_explained),
        format!(
            "workers that died: {dead}, with {in_flight} in flight, of which {lost} were lost; {refused} found nobody"
        ),
    )
}

pub(super) fn everybody_in_turn(trace: &Trace) -> CheckResult {
    let claim = match trace.param("balance") {
        "least_busy" => "each request goes to the worker that has the fewest to do",
        _ => "requests go to the workers in turn",
    }
    .to_owned();
    let summary = ClusterSummary::of(trace);
    if summary.workers < 2 {
        return not_exercised(claim, "there is no choice: set workers=3");
    }
    if summary.requests.is_sample() {
        return not_exercised(claim, "not every request is on record: set users=2000");
    }
    let calls: u64 = summary.processes.iter().map(|process| process.calls).sum();
    let shares = summary.processes.iter().filter(|process| process.calls > 0);
    let shares: Vec<_> = shares.map(|process| process.calls.to_string()).collect();
    CheckResult::Decided {
        claim,
        holds: summary.passed_over == 0,
        evidence: format!(
            "{} of {calls} handed out of turn; the processes got {}",
            summary.passed_over,
            shares.join(", ")
        ),
    }
}
