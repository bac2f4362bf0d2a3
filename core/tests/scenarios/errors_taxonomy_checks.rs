//! Each check of `taxonomy` can fail: tampering with one part of a trace fails the
//! checks that cover it.

use crate::support::checks_failed_by;
use crate::trace_edits::{cause, end_of, index_of, insert_copy, name_id, set_param};
use highwater::trace::{Event, RecordKind, Trace};

const CATCH_ALL: &[(&str, &str)] = &[("design", "catch_all")];

#[test]
fn detects_wrong_answer_class() {
    let other = checks_failed_by("taxonomy", &[], |trace| {
        let end = end_of(trace, RecordKind::Request, "404 not_found");
        trace.events[end].failure = trace.id("500 internal_error");
    });
    assert_eq!(other, ["answer-by-class"]);
    let right = checks_failed_by("taxonomy", CATCH_ALL, |trace| {
        let end = end_of(trace, RecordKind::Request, "500 error");
        trace.events[end].failure = trace.id("CatchAll");
    });
    assert_eq!(right, ["answer-by-class"]);
}

#[test]
fn detects_forbidden_retry() {
    let budget = checks_failed_by("taxonomy", &[], |trace| {
        set_param(trace, "budget", "0");
    });
    assert_eq!(budget, ["retries-by-class"]);
    let attempts = checks_failed_by("taxonomy", &[], |trace| {
        set_param(trace, "attempts", "1");
    });
    assert_eq!(attempts, ["retries-by-class"]);
    // Creating a payment is not idempotent.
    let not_idempotent = checks_failed_by("taxonomy", &[], |trace| {
        let retry = trace.events[index_of(trace, |it| it.kind == RecordKind::Retry)];
        let create = trace.id("CreatePayment").unwrap();
        for event in &mut trace.events {
            if event.kind == RecordKind::Handle && event.subject == retry.subject {
                event.source = create;
            }
        }
    });
    assert_eq!(not_idempotent, ["retries-by-class"]);
    let unrecorded_retry = checks_failed_by("taxonomy", &[], |trace| {
        let retry = index_of(trace, |it| it.kind == RecordKind::Retry);
        trace.events.remove(retry);
    });
    assert_eq!(unrecorded_retry, ["retries-by-class"]);
}

/// Inserts an extra attempt with all its records, and its retry.
fn attempt_again(trace: &mut Trace, number: u64) {
    let is_of_request = |it: &Event| it.subject == number;
    let again: Vec<Event> = trace
        .events
        .iter()
        .filter(|it| {
            is_of_request(it)
                && matches!(
                    it.kind,
                    RecordKind::Handle | RecordKind::Call | RecordKind::Log
                )
        })
        .copied()
        .collect();
    let log = trace
        .events
        .iter()
        .rposition(|it| is_of_request(it) && it.kind == RecordKind::Log);
    let log = log.unwrap();
    trace.events.splice((log + 1)..=log, again);
    insert_copy(trace, log, |it| it.kind = RecordKind::Retry);
}

#[test]
fn detects_wrong_attempts_at_a_bug() {
    let retried = checks_failed_by("taxonomy", &[], |trace| {
        let bug = end_of(trace, RecordKind::Handle, "a bug in the receipt");
        attempt_again(trace, trace.events[bug].subject);
    });
    assert_eq!(retried, ["retries-by-class", "bugs-and-load"]);
    let given_up = checks_failed_by("taxonomy", CATCH_ALL, |trace| {
        let bug = end_of(trace, RecordKind::Handle, "a bug in the receipt");
        let number = trace.events[bug].subject;
        let retry = |it: &Event| it.kind == RecordKind::Retry && it.subject == number;
        let retry = index_of(trace, retry);
        let (mut index, mut attempts) = (0, 0);
        trace.events.remove(retry);
        trace.events.retain(|it| {
            let is_later = index >= retry && it.subject == number && it.kind == RecordKind::Handle;
            index += 1;
            attempts += usize::from(is_later);
            !is_later || attempts > 2
        });
        let logs = |it: &Event| it.kind == RecordKind::Log && it.subject == number;
        for _floor in 0..2 {
            let log = index_of(trace, logs);
            trace.events.remove(log);
        }
    });
    assert_eq!(given_up, ["retries-by-class", "bugs-and-load"]);
}

/// Removes an attempt, its retry and its log entry, and responds with the first
/// failure.
#[test]
fn detects_missing_retry() {
    let without_retry = checks_failed_by("taxonomy", &[("timeout", "60")], |trace| {
        let lookup = trace.id("GetPayment").unwrap();
        let timed_out = index_of(trace, |it| {
            it.source == lookup && cause(trace, it) == "the bank timed out"
        });
        let number = trace.events[timed_out].subject;
        let mut events = trace.events.iter();
        let end = events.rposition(|it| it.kind == RecordKind::Request && it.subject == number);
        trace.events[end.unwrap()].failure = name_id(trace, "504 timeout");
        let mut index = 0;
        trace.events.retain(|it| {
            let is_later = index > timed_out && it.subject == number;
            index += 1;
            let is_first_log = it.kind == RecordKind::Log && index <= timed_out + 3;
            !is_later || it.kind == RecordKind::Request || is_first_log
        });
    });
    assert_eq!(without_retry, ["retries-by-class"]);
}

#[test]
fn detects_breaker_that_ignores_its_probe() {
    let stays_open = checks_failed_by("taxonomy", &[], |trace| {
        let [open, closed] = ["open", "closed"].map(|state| trace.id(state));
        let change = index_of(trace, |it| {
            it.kind == RecordKind::Switch && it.target == closed
        });
        trace.events[change].target = open;
        let breaker = trace.events[change].source;
        let mut index = 0;
        trace.events.retain(|it| {
            index += 1;
            index <= change + 1 || !(it.kind == RecordKind::Call || it.source == breaker)
        });
    });
    assert_eq!(stays_open, ["breaker-probes"]);
}

#[test]
fn detects_breaker_that_admits_wrong_calls() {
    let to = |trace: &Trace, state: &str| {
        let state = trace.id(state);
        index_of(trace, |it| {
            it.kind == RecordKind::Switch && it.target == state
        })
    };
    for (state, calls) in [("open", 1), ("half-open", 3)] {
        let admitted = checks_failed_by("taxonomy", &[], |trace| {
            let call = trace.events[index_of(trace, |it| it.kind == RecordKind::Call)];
            let switch = to(trace, state);
            let number = trace.events[switch].subject;
            for _ in 0..calls {
                insert_copy(trace, switch, |it| {
                    *it = call;
                    it.subject = number;
                });
            }
        });
        assert_eq!(admitted, ["breaker-probes"], "{state}");
    }
    let failed = checks_failed_by("taxonomy", &[], |trace| {
        let rejection = index_of(trace, |it| it.kind == RecordKind::Reject);
        let rejection = trace.events.remove(rejection);
        trace.events.insert(0, rejection);
    });
    assert_eq!(failed, ["breaker-probes"]);
}
