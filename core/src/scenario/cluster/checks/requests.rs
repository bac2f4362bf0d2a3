//! About requests: who gets them, and what becomes of them.

use super::{decided, not_exercised};
use crate::{
    scenario::{
        checks::Decision,
        cluster::{
            REFUSED,
            facts::Facts,
            served::{Served, Totals},
        },
        fleet::LOST,
    },
    trace::Trace,
};

pub(super) fn every_request_accounted(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let requests = &facts.requests;
    let Totals {
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
        &facts,
        [claim, "every request is answered or has failed, once"].concat(),
        are_once && is_complete && requests.have_all_asked(),
        format!("{sent} sent{of_users}: {answered} answered, {failed} failed"),
    )
}

pub(super) fn failed_was_in_flight(trace: &Trace) -> Decision {
    let claim =
        "no request fails but those in flight on a worker that died, and those that found nobody"
            .to_owned();
    let facts = Facts::of(trace);
    let died = facts.lives.iter().filter(|life| life.has_died());
    let (dead, in_flight) = died.fold((0, 0), |(dead, in_flight), life| {
        (dead + 1, in_flight + life.in_flight)
    });
    let requests = &facts.requests;
    let [lost, refused] = [LOST, REFUSED].map(|how| requests.ended_with(Some(how)));
    if dead + lost + refused == 0 {
        return not_exercised(claim, "nobody died: set event=kill");
    }
    let was_in_flight = |request: &Served| {
        request.call.is_some_and(|(life, call)| {
            let life = &facts.lives[life];
            let exit = life.exit.map_or(usize::MAX, |(exit, _)| exit);
            life.has_died() && call < exit && exit < request.end
        })
    };
    // That is no excuse for a supervisor that goes on, and does not stop first.
    let was_nobody_there = |request: &Served| {
        let is_given_up = facts.given_up.is_some_and(|place| place < request.end);
        let is_stopped = trace.param("restart") == "stop_then_start";
        request.call.is_none() && (is_given_up || is_stopped && facts.is_in_reload(request.end))
    };
    let is_explained = |request: &Served| match request.failure {
        Some(LOST) => was_in_flight(request),
        Some(_) => was_nobody_there(request),
        None => true,
    };
    decided(
        &facts,
        claim,
        lost <= in_flight && requests.on_record().iter().all(is_explained),
        format!(
            "workers that died: {dead}, with {in_flight} in flight, of which {lost} were lost; {refused} found nobody"
        ),
    )
}

pub(super) fn everybody_in_turn(trace: &Trace) -> Decision {
    let claim = match trace.param("balance") {
        "least_busy" => "each request goes to the worker that has the fewest to do",
        _ => "requests go to the workers in turn",
    }
    .to_owned();
    let facts = Facts::of(trace);
    if facts.workers < 2 {
        return not_exercised(claim, "there is no choice: set workers=3");
    }
    if facts.requests.is_sample() {
        return not_exercised(claim, "not every request is on record: set users=2000");
    }
    let calls: u64 = facts.lives.iter().map(|life| life.calls).sum();
    let shares = facts.lives.iter().filter(|life| life.calls > 0);
    let shares: Vec<_> = shares.map(|life| life.calls.to_string()).collect();
    Decision::Decided {
        claim,
        holds: facts.passed_over == 0,
        evidence: format!(
            "{} of {calls} handed out of turn; the processes got {}",
            facts.passed_over,
            shares.join(", ")
        ),
    }
}
