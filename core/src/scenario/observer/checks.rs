//! The checks of `observer`.
//!
//! They depend on counts and record order, never on durations, so they hold in every
//! world.

use super::{
    ALARM, CALIBRATION, EMITTER, ERROR_LOG, FORGOTTEN, LATE_LISTENER, LOGGER,
    summary::{EmitRecord, ObserverSummary},
};
use crate::{
    scenario::{
        checks::{Check, CheckResult},
        leak_check,
    },
    trace::{NameId, Phase, RecordKind, Trace},
};

pub(super) const ALL: &[Check] = &[
    Check {
        name: "every-reading-announced",
        decide: every_reading_announced,
    },
    Check {
        name: "in-order",
        decide: in_order,
    },
    Check {
        name: "once-called-once",
        decide: once_called_once,
    },
    Check {
        name: "removed-during-emit",
        decide: removed_during_emit,
    },
    Check {
        name: "added-during-emit",
        decide: added_during_emit,
    },
    Check {
        name: "inner-emit-first",
        decide: inner_emit_first,
    },
    Check {
        name: "failure-and-siblings",
        decide: failure_and_siblings,
    },
    Check {
        name: "errors-surface",
        decide: errors_surface,
    },
    Check {
        name: "leak-reported",
        decide: leak_reported,
    },
];

fn every_reading_announced(trace: &Trace) -> CheckResult {
    let summary = ObserverSummary::of(trace);
    let readings: usize = trace.param("readings").parse().unwrap_or(0);
    let own = summary
        .emits
        .iter()
        .filter(|emit| emit.outer.is_none())
        .count();
    let ended = summary
        .emits
        .iter()
        .filter(|emit| emit.ended.is_some())
        .count();
    let totals = trace.summary();
    let unfinished: u64 = totals
        .sources()
        .map(|source| totals.counters(source).in_flight())
        .sum();
    CheckResult::Decided {
        claim: "every reading is announced and every listener finishes".to_owned(),
        holds: own == readings && ended == summary.emits.len() && unfinished == 0,
        evidence: format!(
            "{own} of {readings} announced, {} requested by a listener, {unfinished} unfinished",
            summary.emits.len() - own
        ),
    }
}

/// Returns the listeners that an emit must call, in order.
///
/// That is its list, without a once listener called by another emit and, with live
/// removal, without listeners removed before their turn.
fn expected_calls(trace: &Trace, summary: &ObserverSummary, emit: &EmitRecord) -> Vec<NameId> {
    let is_live = trace.param("removal") == "live";
    let calibration = trace.id(CALIBRATION);
    let list = emit.list.iter().copied();
    list.filter(|listener| {
        let removed = summary.change(Some(*listener), true);
        let is_once = Some(*listener) == calibration;
        if !is_once && !is_live {
            return true;
        }
        // The once listener is removed before its call, so it may be both.
        let gone = removed.is_some_and(|change| change.index < emit.end);
        !gone || (is_once && emit.has_called(*listener))
    })
    .collect()
}

/// Every emit calls exactly the listeners on its list, in order.
fn in_order(trace: &Trace) -> CheckResult {
    let summary = ObserverSummary::of(trace);
    let stops = trace.param("policy") == "fail-fast";
    let alarm = trace.id(ALARM);
    let mut right = 0;
    let mut calls = 0;
    let mut alarm_first = 0;
    for emit in &summary.emits {
        let mut expected_calls = expected_calls(trace, &summary, emit);
        if let Some(failing) = emit.failed.first().filter(|_| stops) {
            let index = expected_calls
                .iter()
                .position(|listener| listener == failing);
            expected_calls.truncate(index.map_or(expected_calls.len(), |index| index + 1));
        }
        calls += emit.called.len();
        right += usize::from(
            emit.called
                .iter()
                .map(|(listener, _)| *listener)
                .eq(expected_calls),
        );
        let first = emit.called.first().map(|(listener, _)| *listener);
        alarm_first += usize::from(first.is_some() && first == alarm);
    }
    let emits = summary.emits.len();
    CheckResult::Decided {
        claim: "listeners are called in list order; Alarm, added last but prepended, is first"
            .to_owned(),
        holds: emits > 0 && right == emits && alarm_first == emits,
        evidence: format!(
            "{right} of {emits} emits in order, {calls} calls; Alarm first in {alarm_first}"
        ),
    }
}

/// A once listener is removed, then called, by one emit only.
fn once_called_once(trace: &Trace) -> CheckResult {
    let summary = ObserverSummary::of(trace);
    let calibration = trace.id(CALIBRATION);
    let calls: Vec<usize> = summary
        .emits
        .iter()
        .flat_map(|emit| &emit.called)
        .filter(|(listener, _)| Some(*listener) == calibration)
        .map(|(_, index)| *index)
        .collect();
    let found_gone = summary.change(calibration, true).is_some();
    CheckResult::Decided {
        claim: "a once listener is removed before its one call".to_owned(),
        holds: calls.len() == 1 && found_gone,
        evidence: format!(
            "called by {} of {} emits; when called it was {}",
            calls.len(),
            summary.emits.len(),
            if found_gone { "removed" } else { "listed" }
        ),
    }
}

/// A listener removed before its turn: called once more, or skipped with live removal.
fn removed_during_emit(trace: &Trace) -> CheckResult {
    let is_live = trace.param("removal") == "live";
    let claim = if is_live {
        "with live removal a listener removed during an emit is skipped at once"
    } else {
        "a listener removed during an emit is called by that emit, but by no later one"
    }
    .to_owned();
    let summary = ObserverSummary::of(trace);
    let logger = trace.id(LOGGER);
    let removed = summary.change(logger, true);
    let Some((removed, within)) = removed.and_then(|it| Some((it, it.within?))) else {
        return not_exercised(claim, "nothing was removed: set change=remove, readings=4");
    };
    let calls = |emit: &EmitRecord| {
        let of_logger = emit.called.iter().filter(|(it, _)| Some(*it) == logger);
        of_logger
            .filter(|(_, index)| *index > removed.index)
            .count()
    };
    let during = calls(&summary.emits[within]);
    let later: usize = summary.emits[within + 1..].iter().map(calls).sum();
    CheckResult::Decided {
        claim,
        holds: during == usize::from(!is_live) && later == 0,
        evidence: format!(
            "Logger, removed at reading {}, was called {during}× more in it and {later}× in the {} after it",
            summary.emits[within].reading,
            summary.emits.len() - within - 1
        ),
    }
}

/// A listener added during an emit is first called by the next.
fn added_during_emit(trace: &Trace) -> CheckResult {
    let claim = "a listener added during an emit waits for the next".to_owned();
    let summary = ObserverSummary::of(trace);
    let late_listener = trace.id(LATE_LISTENER);
    let added = summary.change(late_listener, false);
    let Some((added, within)) = added.and_then(|it| Some((it, it.within?))) else {
        return not_exercised(claim, "nothing was added: set change=add, readings=4");
    };
    let mut later = summary.emits.iter().filter(|it| it.begin > added.index);
    let emits = later.clone().count();
    // With fail-fast an earlier failure ends the emit before its turn.
    let has_turn =
        |emit: &EmitRecord| trace.param("policy") != "fail-fast" || emit.failed.is_empty();
    let is_called = |emit: &EmitRecord| {
        late_listener.is_some_and(|late_listener| emit.has_called(late_listener))
    };
    let during = is_called(&summary.emits[within]);
    let called = later.clone().filter(|emit| is_called(emit)).count();
    let holds = !during && later.all(|emit| is_called(emit) == has_turn(emit));
    if emits == 0 {
        return not_exercised(claim, "no reading came after it: set readings=4");
    }
    CheckResult::Decided {
        claim,
        holds,
        evidence: format!(
            "Newcomer, added at reading {}, was {} by it, and by {called} of the {emits} after it",
            summary.emits[within].reading,
            if during { "called" } else { "not called" }
        ),
    }
}

/// A nested emit finishes before the outer one continues.
fn inner_emit_first(trace: &Trace) -> CheckResult {
    let claim = "a nested emit reaches all its listeners before the outer one continues".to_owned();
    let summary = ObserverSummary::of(trace);
    let inner: Vec<_> = summary
        .emits
        .iter()
        .filter(|it| it.outer.is_some())
        .collect();
    if inner.is_empty() {
        return not_exercised(claim, "no listener emits: set reentry=alarm");
    }
    let is_first = |index: usize, begin: usize, end: usize| {
        let outer = &summary.emits[index];
        let during = |index: &usize| (begin..end).contains(index);
        outer.begin < begin
            && end < outer.end
            && !outer.called.iter().any(|(_, index)| during(index))
    };
    let first = inner.iter().filter(|emit| {
        let outer = emit.outer.unwrap_or_default();
        !emit.called.is_empty() && is_first(outer, emit.begin, emit.end)
    });
    let first = first.count();
    CheckResult::Decided {
        claim,
        holds: first == inner.len(),
        evidence: format!("{first} of {} nested emits came first", inner.len()),
    }
}

/// With `isolate` every sibling runs; with `fail-fast` no later one does.
fn failure_and_siblings(trace: &Trace) -> CheckResult {
    let stops = trace.param("policy") == "fail-fast";
    let claim = if stops {
        "with fail-fast no listener after the failing one is called"
    } else {
        "every sibling of the failing listener is called"
    }
    .to_owned();
    let summary = ObserverSummary::of(trace);
    let mut failures = 0;
    let mut behind = 0;
    let mut called = 0;
    for emit in &summary.emits {
        let Some(failing) = emit.failed.first() else {
            continue;
        };
        failures += 1;
        let list = expected_calls(trace, &summary, emit);
        let index = list.iter().position(|listener| listener == failing);
        for sibling in &list[index.map_or(list.len(), |index| index + 1)..] {
            behind += 1;
            called += usize::from(emit.has_called(*sibling));
        }
    }
    if behind == 0 {
        return not_exercised(
            claim,
            "nothing failed: set fail=display, readings=2 or more",
        );
    }
    CheckResult::Decided {
        claim,
        holds: called == if stops { 0 } else { behind },
        evidence: format!("{failures} failures, {called} of {behind} later listeners were called"),
    }
}

/// A failure is observed or fails the emit; none is lost.
fn errors_surface(trace: &Trace) -> CheckResult {
    let observed = trace.param("errors") == "observed" && trace.param("policy") == "isolate";
    let claim = if observed {
        "an observed failure does not fail emit"
    } else {
        "an unobserved failure fails emit"
    }
    .to_owned();
    let summary = ObserverSummary::of(trace);
    let failing = summary.emits.iter().filter(|emit| !emit.failed.is_empty());
    let failures = failing.clone().count();
    let left = failing.filter(|emit| emit.ended == Some(true)).count();
    let others = summary.emits.iter().filter(|emit| emit.failed.is_empty());
    let spurious = others.filter(|emit| emit.ended == Some(true)).count();
    let log = trace.id(ERROR_LOG);
    let logged = trace.events.iter().filter(|event| {
        Some(event.source) == log && event.kind == RecordKind::Handle && event.phase == Phase::End
    });
    let logged = logged.count();
    if failures == 0 {
        return not_exercised(
            claim,
            "nothing failed: set fail=display, readings=2 or more",
        );
    }
    let (expected_left, expected_logged) = if observed {
        (0, failures)
    } else {
        (failures, 0)
    };
    CheckResult::Decided {
        claim,
        holds: (left, logged, spurious) == (expected_left, expected_logged, 0),
        evidence: format!("{failures} failures: {left} failed emit, {logged} were observed"),
    }
}

fn leak_reported(trace: &Trace) -> CheckResult {
    let (forgotten, emitter) = (trace.id(FORGOTTEN), trace.id(EMITTER));
    let mut most = 0;
    let mut listeners = 0_u64;
    let mut leaked = 0;
    for event in trace.events.iter().filter(|it| it.target == emitter) {
        match event.kind {
            RecordKind::Subscribe => {
                leaked += u64::from(Some(event.source) == forgotten);
                listeners += 1;
                most = most.max(listeners);
            }
            RecordKind::Unsubscribe => listeners = listeners.saturating_sub(1),
            _ => {}
        }
    }
    let hint = "at most ten listeners: set leak=10, readings=12";
    leak_check::leak_reported(trace, FORGOTTEN, most, leaked, hint)
}

fn not_exercised(claim: String, hint: &str) -> CheckResult {
    CheckResult::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}
