//! The checks of `observer`.
//!
//! They depend on counts and record order, never on durations, so they hold in every
//! world.

use super::{
    names::{ALARM, CALIBRATION, EMITTER, ERROR_LOG, LATE_LISTENER, LEAKED_LISTENER, LOGGER},
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
    Check::new("every-reading-announced", every_reading_announced),
    Check::new("in-order", in_order),
    Check::new("once-called-once", once_called_once),
    Check::new("removed-during-emit", removed_during_emit),
    Check::new("added-during-emit", added_during_emit),
    Check::new("inner-emit-first", inner_emit_first),
    Check::new("failure-and-siblings", failure_and_siblings),
    Check::new("errors-surface", errors_surface),
    Check::new("leak-reported", leak_reported),
];

fn every_reading_announced(trace: &Trace) -> CheckResult {
    let summary = ObserverSummary::of(trace);
    let readings: usize = trace.param("readings").parse().unwrap_or(0);
    let scheduled = summary
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
        holds: scheduled == readings && ended == summary.emits.len() && unfinished == 0,
        evidence: format!(
            "{scheduled} of {readings} announced, {} requested by a listener, {unfinished} unfinished",
            summary.emits.len() - scheduled
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
        let was_removed = removed.is_some_and(|change| change.index < emit.end);
        !was_removed || (is_once && emit.has_called(*listener))
    })
    .collect()
}

/// Every emit calls exactly the listeners on its list, in order.
fn in_order(trace: &Trace) -> CheckResult {
    let summary = ObserverSummary::of(trace);
    let is_fail_fast = trace.param("policy") == "fail-fast";
    let alarm = trace.id(ALARM);
    let mut emits_in_order = 0;
    let mut calls = 0;
    let mut alarm_first = 0;
    for emit in &summary.emits {
        let mut expected_calls = expected_calls(trace, &summary, emit);
        if let Some(failing) = emit.failed.first().filter(|_| is_fail_fast) {
            let index = expected_calls
                .iter()
                .position(|listener| listener == failing);
            expected_calls.truncate(index.map_or(expected_calls.len(), |index| index + 1));
        }
        calls += emit.called.len();
        emits_in_order += usize::from(
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
        holds: emits > 0 && emits_in_order == emits && alarm_first == emits,
        evidence: format!(
            "{emits_in_order} of {emits} emits in order, {calls} calls; Alarm first in {alarm_first}"
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
    let found_removed = summary.change(calibration, true).is_some();
    CheckResult::Decided {
        claim: "a once listener is removed before its one call".to_owned(),
        holds: calls.len() == 1 && found_removed,
        evidence: format!(
            "called by {} of {} emits; when called it was {}",
            calls.len(),
            summary.emits.len(),
            if found_removed { "removed" } else { "listed" }
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
    let Some((removed, during_emit)) = removed.and_then(|it| Some((it, it.during_emit?))) else {
        return CheckResult::not_exercised(
            claim,
            "nothing was removed: set change=remove, readings=4",
        );
    };
    let calls = |emit: &EmitRecord| {
        let logger_calls = emit.called.iter().filter(|(it, _)| Some(*it) == logger);
        logger_calls
            .filter(|(_, index)| *index > removed.index)
            .count()
    };
    let calls_during_emit = calls(&summary.emits[during_emit]);
    let calls_after_emit: usize = summary.emits[during_emit + 1..].iter().map(calls).sum();
    CheckResult::Decided {
        claim,
        holds: calls_during_emit == usize::from(!is_live) && calls_after_emit == 0,
        evidence: format!(
            "Logger, removed at reading {}, was called {calls_during_emit}× more in it and {calls_after_emit}× in the {} after it",
            summary.emits[during_emit].reading,
            summary.emits.len() - during_emit - 1
        ),
    }
}

/// A listener added during an emit is first called by the next.
fn added_during_emit(trace: &Trace) -> CheckResult {
    let claim = "a listener added during an emit waits for the next".to_owned();
    let summary = ObserverSummary::of(trace);
    let late_listener = trace.id(LATE_LISTENER);
    let added = summary.change(late_listener, false);
    let Some((added, during_emit)) = added.and_then(|it| Some((it, it.during_emit?))) else {
        return CheckResult::not_exercised(claim, "nothing was added: set change=add, readings=4");
    };
    let mut later_emits = summary.emits.iter().filter(|it| it.begin > added.index);
    let later_count = later_emits.clone().count();
    // With fail-fast an earlier failure ends the emit before its turn.
    let has_turn =
        |emit: &EmitRecord| trace.param("policy") != "fail-fast" || emit.failed.is_empty();
    let is_called = |emit: &EmitRecord| {
        late_listener.is_some_and(|late_listener| emit.has_called(late_listener))
    };
    let was_called_early = is_called(&summary.emits[during_emit]);
    let called = later_emits.clone().filter(|emit| is_called(emit)).count();
    let holds = !was_called_early && later_emits.all(|emit| is_called(emit) == has_turn(emit));
    if later_count == 0 {
        return CheckResult::not_exercised(claim, "no reading came after it: set readings=4");
    }
    CheckResult::Decided {
        claim,
        holds,
        evidence: format!(
            "Newcomer, added at reading {}, was {} by it, and by {called} of the {later_count} after it",
            summary.emits[during_emit].reading,
            if was_called_early {
                "called"
            } else {
                "not called"
            }
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
        return CheckResult::not_exercised(claim, "no listener emits: set reentry=alarm");
    }
    let is_first = |index: usize, begin: usize, end: usize| {
        let outer = &summary.emits[index];
        let is_during_inner = |index: &usize| (begin..end).contains(index);
        outer.begin < begin
            && end < outer.end
            && !outer.called.iter().any(|(_, index)| is_during_inner(index))
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
    let is_fail_fast = trace.param("policy") == "fail-fast";
    let claim = if is_fail_fast {
        "with fail-fast no listener after the failing one is called"
    } else {
        "every sibling of the failing listener is called"
    }
    .to_owned();
    let summary = ObserverSummary::of(trace);
    let mut failures = 0;
    let mut later_listeners = 0;
    let mut called = 0;
    for emit in &summary.emits {
        let Some(failing) = emit.failed.first() else {
            continue;
        };
        failures += 1;
        let list = expected_calls(trace, &summary, emit);
        let index = list.iter().position(|listener| listener == failing);
        for sibling in &list[index.map_or(list.len(), |index| index + 1)..] {
            later_listeners += 1;
            called += usize::from(emit.has_called(*sibling));
        }
    }
    if later_listeners == 0 {
        return CheckResult::not_exercised(
            claim,
            "nothing failed: set fail=display, readings=2 or more",
        );
    }
    CheckResult::Decided {
        claim,
        holds: called == if is_fail_fast { 0 } else { later_listeners },
        evidence: format!(
            "{failures} failures, {called} of {later_listeners} later listeners were called"
        ),
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
    let failed_emits = failing.filter(|emit| emit.ended == Some(true)).count();
    let emits_without_failure = summary.emits.iter().filter(|emit| emit.failed.is_empty());
    let unexplained = emits_without_failure
        .filter(|emit| emit.ended == Some(true))
        .count();
    let log = trace.id(ERROR_LOG);
    let observed_count = trace.events.iter().filter(|event| {
        Some(event.source) == log && event.kind == RecordKind::Handle && event.phase == Phase::End
    });
    let observed_count = observed_count.count();
    if failures == 0 {
        return CheckResult::not_exercised(
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
        holds: (failed_emits, observed_count, unexplained) == (expected_left, expected_logged, 0),
        evidence: format!(
            "{failures} failures: {failed_emits} failed emit, {observed_count} were observed"
        ),
    }
}

fn leak_reported(trace: &Trace) -> CheckResult {
    let (leaked_listener, emitter) = (trace.id(LEAKED_LISTENER), trace.id(EMITTER));
    let mut max_listeners = 0;
    let mut listeners = 0_u64;
    let mut leaked = 0;
    for event in trace.events.iter().filter(|it| it.target == emitter) {
        match event.kind {
            RecordKind::Subscribe => {
                leaked += u64::from(Some(event.source) == leaked_listener);
                listeners += 1;
                max_listeners = max_listeners.max(listeners);
            }
            RecordKind::Unsubscribe => listeners = listeners.saturating_sub(1),
            _ => {}
        }
    }
    let hint = "at most ten listeners: set leak=10, readings=12";
    leak_check::leak_reported(trace, LEAKED_LISTENER, max_listeners, leaked, hint)
}
