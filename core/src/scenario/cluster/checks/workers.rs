//! About workers: who ends, who is replaced, who has had enough.

use super::{decided, not_exercised};
use crate::{
    scenario::{
        checks::Decision,
        cluster::{
            NO_SIGN_OF_LIFE, NOT_DRAINED, REFUSED, RELOAD_ABORTED, RELOADED,
            facts::{Facts, Life, Reload},
            served::Served,
        },
        fleet::{KILLED_FROM_OUTSIDE, LOST},
    },
    trace::Trace,
};

pub(super) fn another_process(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let is_new = |(place, life): (usize, &Life)| {
        let is_other = |other: &Life| other.id != life.id;
        life.id > 0 && facts.lives[..place].iter().all(is_other)
    };
    let ids: Vec<_> = facts.lives.iter().map(|life| life.id.to_string()).collect();
    Decision::Decided {
        claim: "every worker is a process of its own, and no process serves twice".to_owned(),
        holds: facts.lives.len() >= facts.workers && facts.lives.iter().enumerate().all(is_new),
        evidence: format!("processes {}", ids.join(", ")),
    }
}

pub(super) fn who_ends_is_replaced(trace: &Trace) -> Decision {
    let claim = "who ends unasked is replaced, until as many are ready as before".to_owned();
    let facts = Facts::of(trace);
    if facts.given_up.is_some() {
        return not_exercised(claim, "the supervisor gave up: set event=kill, restarts=5");
    }
    let unasked = facts.unasked().count();
    if unasked == 0 {
        return not_exercised(claim, "nobody ended: set event=kill");
    }
    let started = facts.lives.len().saturating_sub(facts.workers);
    Decision::Decided {
        claim,
        holds: facts.is_whole && started >= unasked,
        evidence: format!("{unasked} ended unasked, {started} started after the first"),
    }
}

pub(super) fn who_hangs_is_found(trace: &Trace) -> Decision {
    let claim = "a worker that hangs is killed, since it gives no sign of life".to_owned();
    let facts = Facts::of(trace);
    let hanging = facts.lives.iter().filter(|life| life.hangs);
    let is_found =
        |life: &&Life| life.ended_by(NO_SIGN_OF_LIFE) || life.ended_by(KILLED_FROM_OUTSIDE);
    let (found, missed): (Vec<_>, Vec<_>) = hanging.partition(is_found);
    if found.is_empty() && missed.is_empty() {
        return not_exercised(claim, "nobody hung: set event=hang");
    }
    decided(
        &facts,
        claim,
        missed.is_empty(),
        format!(
            "{} killed, {} still there; {} requests were lost with it",
            found.len(),
            missed.len(),
            found.iter().map(|life| life.in_flight).sum::<u64>()
        ),
    )
}

pub(super) fn reload(trace: &Trace) -> Decision {
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
    let facts = Facts::of(trace);
    let Some(reload) = &facts.reload else {
        return not_exercised(claim, "nobody reloaded: set event=reload");
    };
    if is_rolling && facts.lives.iter().any(|it| it.ended_by(NOT_DRAINED)) {
        return not_exercised(
            claim,
            "some had not drained when their time was up: set work=25, interval=15",
        );
    }
    let began = |life: &&Life| life.started < reload.begin;
    let left = facts.lives.iter().filter(began);
    let left = left.filter(|life| is_gone_by(life, reload)).count();
    let came = facts.lives.iter().filter(|life| !began(life)).count();
    // Somebody else may kill a worker meanwhile, and that is not the reload's.
    let is_disturbed = facts.lives.iter().any(|life| {
        let is_others = life.ended_by(KILLED_FROM_OUTSIDE) || life.ended_by(NO_SIGN_OF_LIFE);
        is_others && life.exit.is_some_and(|(exit, _)| facts.is_in_reload(exit))
    });
    let with_reload = |it: &&Served| match (it.failure, it.call) {
        (Some(LOST), Some((life, _))) => {
            let life = &facts.lives[life];
            !life.ended_unasked() && !life.ended_by(KILLED_FROM_OUTSIDE)
        }
        (Some(_), _) => facts.is_in_reload(it.end),
        (None, _) => false,
    };
    let requests = &facts.requests;
    let totals = requests.totals();
    let mut failed = requests.on_record().iter().filter(with_reload).count() as u64;
    if requests.is_sample() && !is_disturbed {
        // Nothing else happens.
        failed = totals.lost + totals.refused;
    }
    let ended = reload.end.map(|(_, how)| how);
    let is_whole = is_disturbed || reload.fewest >= facts.workers;
    let holds = match (is_rolling, is_bad) {
        (true, false) => {
            let all = left == facts.workers && came >= facts.workers;
            is_whole && failed == 0 && (is_disturbed || all && ended == Some(RELOADED))
        }
        (true, true) => {
            is_whole && failed == 0 && (is_disturbed || left == 0 && ended == Some(RELOAD_ABORTED))
        }
        (false, false) => reload.fewest == 0 && ended == Some(RELOADED),
        (false, true) => reload.fewest == 0 && facts.given_up.is_some(),
    };
    Decision::Decided {
        claim,
        holds,
        evidence: format!(
            "{left} replaced, {came} started, at worst {} of {} ready; {failed} of {} requests failed",
            reload.fewest, facts.workers, totals.sent
        ),
    }
}

/// Whether a worker was replaced: it was gone before the reload was over.
fn is_gone_by(life: &Life, reload: &Reload) -> bool {
    let over = reload.end.map_or(usize::MAX, |(end, _)| end);
    life.exit
        .is_some_and(|(exit, _)| reload.begin < exit && exit < over)
}

pub(super) fn gives_up(trace: &Trace) -> Decision {
    let restarts: usize = trace.param("restarts").parse().unwrap_or(0);
    let claim = format!(
        "after {restarts} restarts of one worker its next end is one too many: the supervisor gives up, and starts nobody"
    );
    let facts = Facts::of(trace);
    let stops_first = trace.param("restart") == "stop_then_start";
    let is_due = match trace.param("event") {
        "crash_loop" => true,
        "bad_reload" => stops_first,
        _ => false,
    };
    let Some(place) = facts.given_up.or(is_due.then_some(usize::MAX)) else {
        return not_exercised(claim, "it never came to that: set event=crash_loop");
    };
    let is_before = |life: &&Life| life.exit.is_some_and(|(exit, _)| exit < place);
    let ended: Vec<_> = facts.unasked().filter(is_before).collect();
    let of_worker = |it: &&Life| ended.iter().filter(|life| life.worker == it.worker).count();
    // A replacement may have had another place.
    let most = ended.iter().map(of_worker).max().unwrap_or(0);
    let ended = ended.len();
    let later = facts
        .requests
        .on_record()
        .iter()
        .filter(|it| it.begin > Some(place));
    let refused = |request: &Served| request.failure == Some(REFUSED);
    let started = facts.lives.iter().filter(|it| it.started > place).count();
    decided(
        &facts,
        claim,
        facts.given_up.is_some()
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
