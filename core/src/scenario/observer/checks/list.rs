//! Whom an emit calls, and what a change of the list means for it.

use super::not_exercised;
use crate::{
    scenario::{
        checks::Decision,
        observer::{
            ALARM, CALIBRATION, LOGGER, NEWCOMER,
            facts::{Emit, Facts},
        },
    },
    trace::{NameId, Trace},
};

/// Whom an emit has to call, in order: its list, but for one that listens once
/// and was called by another emit, and for those removed before its turn came,
/// where removals take effect at once.
pub(super) fn due(trace: &Trace, facts: &Facts, emit: &Emit) -> Vec<NameId> {
    let is_live = trace.param("removal") == "live";
    let calibration = trace.id(CALIBRATION);
    let list = emit.list.iter().copied();
    list.filter(|listener| {
        let removed = facts.change(Some(*listener), true);
        let is_once = Some(*listener) == calibration;
        if !is_once && !is_live {
            return true;
        }
        // A listener that is off the list was, at the latest, before this ended;
        // that it was called all the same is for it to say.
        let gone = removed.is_some_and(|change| change.place < emit.end);
        !gone || (is_once && emit.has_called(*listener))
    })
    .collect()
}

/// Every emit calls those on its list, in their order, and nobody else.
pub(super) fn in_order(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let stops = trace.param("policy") == "fail-fast";
    let alarm = trace.id(ALARM);
    let mut right = 0;
    let mut calls = 0;
    let mut alarm_first = 0;
    for emit in &facts.emits {
        let mut due = due(trace, &facts, emit);
        if let Some(failing) = emit.failed.first().filter(|_| stops) {
            let place = due.iter().position(|listener| listener == failing);
            due.truncate(place.map_or(due.len(), |place| place + 1));
        }
        calls += emit.called.len();
        right += usize::from(emit.called.iter().map(|(listener, _)| *listener).eq(due));
        let first = emit.called.first().map(|(listener, _)| *listener);
        alarm_first += usize::from(first.is_some() && first == alarm);
    }
    let emits = facts.emits.len();
    Decision::Decided {
        claim: "listeners are called in the order of the list; the one that was prepended, though added last, is first"
            .to_owned(),
        holds: emits > 0 && right == emits && alarm_first == emits,
        evidence: format!(
            "{right} of {emits} emits called whom they should, {calls} calls in all; Alarm was first in {alarm_first}"
        ),
    }
}

/// A listener for one event is taken off the list, then called; by one emit.
pub(super) fn once_is_once(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let calibration = trace.id(CALIBRATION);
    let calls: Vec<usize> = facts
        .emits
        .iter()
        .flat_map(|emit| &emit.called)
        .filter(|(listener, _)| Some(*listener) == calibration)
        .map(|(_, place)| *place)
        .collect();
    let found_gone = facts.change(calibration, true).is_some();
    Decision::Decided {
        claim: "a listener for one event is called once, and is off the list by then".to_owned(),
        holds: calls.len() == 1 && found_gone,
        evidence: format!(
            "called by {} of {} emits; it found itself {}",
            calls.len(),
            facts.emits.len(),
            if found_gone { "removed" } else { "on the list" }
        ),
    }
}

/// What the removal of a listener that has not had its turn means.
pub(super) fn removed_meanwhile(trace: &Trace) -> Decision {
    let is_live = trace.param("removal") == "live";
    let claim = if is_live {
        "a listener removed during an emit is passed by at once, with live removal"
    } else {
        "a listener removed during an emit is called by that one still, and by none after it"
    }
    .to_owned();
    let facts = Facts::of(trace);
    let logger = trace.id(LOGGER);
    let removed = facts.change(logger, true);
    let Some((removed, within)) = removed.and_then(|it| Some((it, it.within?))) else {
        return not_exercised(claim, "nobody was removed: set change=remove, readings=4");
    };
    let calls = |emit: &Emit| {
        let of_logger = emit.called.iter().filter(|(it, _)| Some(*it) == logger);
        of_logger
            .filter(|(_, place)| *place > removed.place)
            .count()
    };
    let meanwhile = calls(&facts.emits[within]);
    let later: usize = facts.emits[within + 1..].iter().map(calls).sum();
    Decision::Decided {
        claim,
        holds: meanwhile == usize::from(!is_live) && later == 0,
        evidence: format!(
            "Logger, removed during the emit of reading {}, was called {meanwhile}× more by it, {later}× by the {} after it",
            facts.emits[within].reading,
            facts.emits.len() - within - 1
        ),
    }
}

/// Whoever is added during an emit waits for the next.
pub(super) fn added_meanwhile(trace: &Trace) -> Decision {
    let claim = "a listener added during an emit waits for the next".to_owned();
    let facts = Facts::of(trace);
    let newcomer = trace.id(NEWCOMER);
    let added = facts.change(newcomer, false);
    let Some((added, within)) = added.and_then(|it| Some((it, it.within?))) else {
        return not_exercised(claim, "nobody was added: set change=add, readings=4");
    };
    let mut later = facts.emits.iter().filter(|it| it.begin > added.place);
    let emits = later.clone().count();
    // Under fail-fast it may be behind a failure, and then has no turn.
    let has_turn = |emit: &Emit| trace.param("policy") != "fail-fast" || emit.failed.is_empty();
    let is_called = |emit: &Emit| newcomer.is_some_and(|newcomer| emit.has_called(newcomer));
    let meanwhile = is_called(&facts.emits[within]);
    let called = later.clone().filter(|emit| is_called(emit)).count();
    let holds = !meanwhile && later.all(|emit| is_called(emit) == has_turn(emit));
    if emits == 0 {
        return not_exercised(claim, "there was no reading after it: set readings=4");
    }
    Decision::Decided {
        claim,
        holds,
        evidence: format!(
            "Newcomer, added during the emit of reading {}, was {} by it, and by {called} of the {emits} after it",
            facts.emits[within].reading,
            if meanwhile { "called" } else { "not called" }
        ),
    }
}
