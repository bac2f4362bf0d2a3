//! Each check of `cluster` can fail: tampering with one part of a trace fails the check
//! that covers it.

use crate::{support, trace_edits::set_param};
use highwater::trace::{Event, NameId, Phase, RecordKind, Trace};

type Pairs = &'static [(&'static str, &'static str)];

const KILL: Pairs = &[];
const HANG: Pairs = &[("event", "hang")];
const RELOAD: Pairs = &[("event", "reload")];
const STOP_FIRST: Pairs = &[("event", "reload"), ("restart", "stop_then_start")];
const BAD_RELOAD: Pairs = &[("event", "bad_reload")];
const FULL: Pairs = &[
    ("event", "none"),
    ("balance", "shared_queue"),
    ("queue", "3"),
    ("work", "50"),
];
const CRASH_LOOP: Pairs = &[("event", "crash_loop")];

fn tampered(pairs: Pairs, tamper: impl FnOnce(&mut Trace)) -> Vec<&'static str> {
    support::checks_failed_by("cluster", pairs, tamper)
}

/// Returns the index of the first matching record.
fn index_of(trace: &Trace, matches: impl Fn(&Event) -> bool) -> usize {
    trace
        .events
        .iter()
        .position(matches)
        .expect("the trace has a matching record")
}

/// Returns the id of a name, adding the name if it is new.
fn name_id(trace: &mut Trace, text: &str) -> Option<NameId> {
    if trace.id(text).is_none() {
        trace.names.push(text.to_owned());
    }
    trace.id(text)
}

fn end_of(trace: &Trace, kind: RecordKind, failure: Option<&str>) -> usize {
    index_of(trace, |it| {
        let is_end = it.kind == kind && it.phase != Phase::Begin;
        is_end && it.failure.map(|id| trace.name(id)) == failure
    })
}

fn switch_to(trace: &Trace, state: &str) -> usize {
    let state = trace.id(state);
    index_of(trace, |it| {
        it.kind == RecordKind::Switch && it.target == state
    })
}

#[test]
fn detects_request_that_ends_never_or_twice() {
    let never = tampered(KILL, |trace| {
        let end = end_of(trace, RecordKind::Request, None);
        trace.events.remove(end);
    });
    assert!(never.contains(&"every-request-accounted"), "{never:?}");
    let twice = tampered(KILL, |trace| {
        let end = end_of(trace, RecordKind::Request, None);
        trace.events.insert(end, trace.events[end]);
    });
    assert!(twice.contains(&"every-request-accounted"), "{twice:?}");
}

#[test]
fn detects_unjustified_loss_or_rejection() {
    let lost = tampered(KILL, |trace| {
        let end = end_of(trace, RecordKind::Request, None);
        trace.events[end].failure = trace.id("lost");
    });
    assert_eq!(lost, ["failed-was-in-flight"]);
    let rejected = tampered(KILL, |trace| {
        let rejected = name_id(trace, "rejected");
        let end = end_of(trace, RecordKind::Request, None);
        trace.events[end].failure = rejected;
    });
    assert_eq!(rejected, ["failed-was-in-flight"]);
}

#[test]
fn detects_unfair_balancing() {
    for balance in ["round_robin", "least_busy", "shared_queue"] {
        let pairs = [("event", "none"), ("balance", balance)];
        let failed = support::checks_failed_by("cluster", &pairs, |trace| {
            let worker = trace.id("Worker 1");
            for event in &mut trace.events {
                if event.kind == RecordKind::Call {
                    event.target = worker;
                }
            }
        });
        assert_eq!(failed, ["balanced"]);
    }
}

#[test]
fn detects_unordered_or_idle_shared_queue() {
    // Two requests that waited change places.
    let unordered = tampered(FULL, |trace| {
        let is_call = |it: &&mut Event| it.kind == RecordKind::Call;
        let mut calls: Vec<_> = trace.events.iter_mut().filter(is_call).collect();
        let [.., one, other] = &mut calls[..] else {
            panic!("there are two calls");
        };
        std::mem::swap(&mut one.subject, &mut other.subject);
    });
    assert_eq!(unordered, ["balanced"]);
    let idle = tampered(FULL, |trace| {
        // A worker stays idle until the next arrival or response.
        let is_call = |it: &Event| it.kind == RecordKind::Call;
        let call = trace.events.iter().rposition(is_call).unwrap();
        let later = trace.events[call..].iter();
        let next = later.clone().position(|it| it.kind == RecordKind::Request);
        let call_record = trace.events.remove(call);
        trace.events.insert(call + next.unwrap(), call_record);
    });
    assert_eq!(idle, ["balanced"]);
}

#[test]
fn detects_queue_that_exceeds_its_bound_or_rejects_early() {
    let longer = tampered(FULL, |trace| set_param(trace, "queue", "2"));
    assert_eq!(longer, ["bounded-queue"]);
    let early = tampered(FULL, |trace| set_param(trace, "queue", "4"));
    assert_eq!(early, ["failed-was-in-flight"]);
}

#[test]
fn detects_reused_process() {
    let reused = tampered(KILL, |trace| {
        let starting = trace.id("starting");
        let matches = |it: &Event| it.kind == RecordKind::Switch && it.target == starting;
        let id = trace.events[index_of(trace, matches)].subject;
        let last = trace.events.iter().rposition(matches).unwrap();
        trace.events[last].subject = id;
    });
    assert_eq!(reused, ["another-process"]);
}

#[test]
fn detects_missing_replacement() {
    let missing = tampered(KILL, |trace| {
        let last = trace
            .events
            .iter()
            .rposition(|it| it.kind == RecordKind::Start)
            .unwrap();
        trace.events.remove(last);
    });
    assert!(missing.contains(&"crash-replaced"), "{missing:?}");
}

#[test]
fn detects_unnoticed_hang() {
    let missed = tampered(HANG, |trace| {
        let exit = end_of(trace, RecordKind::Exit, Some("no heartbeat"));
        trace.events[exit].failure = name_id(trace, "a bug");
    });
    assert_eq!(missed, ["hang-detected"]);
}

#[test]
fn detects_disruptive_or_incomplete_reload() {
    let too_early = tampered(RELOAD, |trace| {
        // The old worker drains before the new one is ready.
        let drain = switch_to(trace, "draining");
        let ready = trace.events[..drain]
            .iter()
            .rposition(|it| it.kind == RecordKind::Start)
            .unwrap();
        let drain = trace.events.remove(drain);
        trace.events.insert(ready, drain);
    });
    assert_eq!(too_early, ["reload"]);
    let unfinished = tampered(RELOAD, |trace| {
        let end = switch_to(trace, "reloaded");
        trace.events[end].target = name_id(trace, "reload aborted");
    });
    assert_eq!(unfinished, ["reload"]);
    let lost = tampered(RELOAD, |trace| {
        let end = end_of(trace, RecordKind::Request, None);
        trace.events[end].failure = name_id(trace, "lost");
    });
    assert_eq!(lost, ["failed-was-in-flight", "reload"]);
    let not_aborted = tampered(BAD_RELOAD, |trace| {
        let end = switch_to(trace, "reload aborted");
        trace.events[end].target = name_id(trace, "reloaded");
    });
    assert_eq!(not_aborted, ["reload"]);
    let unnoticed = tampered(STOP_FIRST, |trace| {
        // Removes the records that show that the first worker stopped.
        let killed = trace.id("killed");
        trace.events.retain(|it| it.target != killed);
        let exit = end_of(trace, RecordKind::Exit, Some("stopped"));
        trace.events.remove(exit);
    });
    assert!(unnoticed.contains(&"reload"), "{unnoticed:?}");
}

#[test]
fn detects_giving_up_early_or_never() {
    let early = tampered(CRASH_LOOP, |trace| {
        for (key, value) in &mut trace.params {
            if key == "restarts" {
                *value = "6".to_owned();
            }
        }
    });
    assert_eq!(early, ["gives-up"]);
    let continues = tampered(CRASH_LOOP, |trace| {
        let given_up = end_of(trace, RecordKind::Exit, Some("too many restarts"));
        let start = trace.events[switch_to(trace, "starting")];
        trace.events.insert(given_up + 1, start);
        trace.events[given_up + 1].subject = 99;
    });
    assert_eq!(continues, ["gives-up"]);
    let unrecorded = tampered(CRASH_LOOP, |trace| {
        let given_up = end_of(trace, RecordKind::Exit, Some("too many restarts"));
        trace.events.remove(given_up);
    });
    assert!(unrecorded.contains(&"gives-up"), "{unrecorded:?}");
}
