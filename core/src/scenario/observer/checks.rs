//! What a run of `observer` must prove.
//!
//! The predicates look at counts and at the order of records, never at how
//! long something took, so they hold in every world.

mod list;

use super::{EMITTER, ERROR_LOG, FORGOTTEN, facts::Facts};
use crate::{
    scenario::{
        checks::{Check, Decision},
        leak,
    },
    trace::{Kind, Phase, Trace},
};

pub(super) const ALL: &[Check] = &[
    Check {
        name: "every-reading-announced",
        decide: every_reading_announced,
    },
    Check {
        name: "in-order",
        decide: list::in_order,
    },
    Check {
        name: "once-is-once",
        decide: list::once_is_once,
    },
    Check {
        name: "removed-meanwhile",
        decide: list::removed_meanwhile,
    },
    Check {
        name: "added-meanwhile",
        decide: list::added_meanwhile,
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

fn every_reading_announced(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let readings: usize = trace.param("readings").parse().unwrap_or(0);
    let own = facts
        .emits
        .iter()
        .filter(|emit| emit.outer.is_none())
        .count();
    let ended = facts
        .emits
        .iter()
        .filter(|emit| emit.ended.is_some())
        .count();
    let summary = trace.summary();
    let unfinished: u64 = summary
        .sources()
        .map(|source| summary.counters(source).in_flight())
        .sum();
    Decision::Decided {
        claim: "every reading is announced and every listener finishes".to_owned(),
        holds: own == readings && ended == facts.emits.len() && unfinished == 0,
        evidence: format!(
            "{own} of {readings} announced, and {} that a listener asked for; {unfinished} unfinished",
            facts.emits.len() - own
        ),
    }
}

/// An emit from within a listener is over before the outer one goes on.
fn inner_emit_first(trace: &Trace) -> Decision {
    let claim =
        "an emit within an emit comes first: all hear of the inner before the outer goes on"
            .to_owned();
    let facts = Facts::of(trace);
    let inner: Vec<_> = facts.emits.iter().filter(|it| it.outer.is_some()).collect();
    if inner.is_empty() {
        return not_exercised(claim, "no listener emits: set reentry=alarm");
    }
    let is_first = |index: usize, begin: usize, end: usize| {
        let outer = &facts.emits[index];
        let meanwhile = |place: &usize| (begin..end).contains(place);
        outer.begin < begin
            && end < outer.end
            && !outer.called.iter().any(|(_, place)| meanwhile(place))
    };
    let first = inner.iter().filter(|emit| {
        let outer = emit.outer.unwrap_or_default();
        !emit.called.is_empty() && is_first(outer, emit.begin, emit.end)
    });
    let first = first.count();
    Decision::Decided {
        claim,
        holds: first == inner.len(),
        evidence: format!("{first} of {} inner emits were over first", inner.len()),
    }
}

/// Under `isolate` every sibling runs; under `fail-fast` nobody behind does.
fn failure_and_siblings(trace: &Trace) -> Decision {
    let stops = trace.param("policy") == "fail-fast";
    let claim = if stops {
        "with fail-fast nobody behind the failing listener is called"
    } else {
        "every sibling of the failing listener is called"
    }
    .to_owned();
    let facts = Facts::of(trace);
    let mut failures = 0;
    let mut behind = 0;
    let mut called = 0;
    for emit in &facts.emits {
        let Some(failing) = emit.failed.first() else {
            continue;
        };
        failures += 1;
        let list = list::due(trace, &facts, emit);
        let place = list.iter().position(|listener| listener == failing);
        for sibling in &list[place.map_or(list.len(), |place| place + 1)..] {
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
    Decision::Decided {
        claim,
        holds: called == if stops { 0 } else { behind },
        evidence: format!("{failures} failures, {called} of {behind} listeners behind were called"),
    }
}

/// A failure is observed, or it leaves `emit`: none is lost.
fn errors_surface(trace: &Trace) -> Decision {
    let observed = trace.param("errors") == "observed" && trace.param("policy") == "isolate";
    let claim = if observed {
        "a failure that is observed does not fail emit"
    } else {
        "a failure that nobody observes fails emit"
    }
    .to_owned();
    let facts = Facts::of(trace);
    let failing = facts.emits.iter().filter(|emit| !emit.failed.is_empty());
    let failures = failing.clone().count();
    let left = failing.filter(|emit| emit.ended == Some(true)).count();
    let others = facts.emits.iter().filter(|emit| emit.failed.is_empty());
    let spurious = others.filter(|emit| emit.ended == Some(true)).count();
    let log = trace.id(ERROR_LOG);
    let logged = trace.events.iter().filter(|event| {
        Some(event.source) == log && event.kind == Kind::Handle && event.phase == Phase::End
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
    Decision::Decided {
        claim,
        holds: (left, logged, spurious) == (expected_left, expected_logged, 0),
        evidence: format!("{failures} failures: {left} failed emit, {logged} were observed"),
    }
}

fn leak_reported(trace: &Trace) -> Decision {
    let (forgotten, emitter) = (trace.id(FORGOTTEN), trace.id(EMITTER));
    let mut most = 0;
    let mut listeners = 0_u64;
    let mut leaked = 0;
    for event in trace.events.iter().filter(|it| it.target == emitter) {
        match event.kind {
            Kind::Subscribe => {
                leaked += u64::from(Some(event.source) == forgotten);
                listeners += 1;
                most = most.max(listeners);
            }
            Kind::Unsubscribe => listeners = listeners.saturating_sub(1),
            _ => {}
        }
    }
    let hint = "there are no more than ten listeners: set leak=10, readings=12";
    leak::leak_reported(trace, FORGOTTEN, most, leaked, hint)
}

fn not_exercised(claim: String, hint: &str) -> Decision {
    Decision::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}
