//! Each check of `taxonomy` and `handler` can fail: tampering with one part of a trace
//! fails the checks that cover it, and no other.

use crate::support::checks_failed_by;
use crate::trace_edits::{end_of, index_of, insert_copy, name_id, set_param};
use highwater::trace::{Event, Phase, RecordKind, Trace};

const CATCH_ALL: &[(&str, &str)] = &[("design", "catch_all")];
const SUPERVISE: &[(&str, &str)] = &[];
const SWALLOW: &[(&str, &str)] = &[("policy", "swallow")];
const CRASH: &[(&str, &str)] = &[("policy", "crash")];
const CRASH_LOOP: &[(&str, &str)] = &[("bug_every", "3"), ("restarts", "3")];

/// Returns the checks that fail for each way of tampering with the log.
fn tampered_logs(scenario: &str) -> [Vec<&'static str>; 4] {
    let first_line = |trace: &Trace| index_of(trace, |it| it.kind == RecordKind::Log);
    let missing = checks_failed_by(scenario, &[], |trace| {
        let line = first_line(trace);
        trace.events.remove(line);
    });
    let twice = checks_failed_by(scenario, &[], |trace| {
        let line = first_line(trace);
        insert_copy(trace, line, |_| {});
    });
    let without_id = checks_failed_by(scenario, &[], |trace| {
        let line = first_line(trace);
        trace.events[line].subject = 0;
    });
    let wrong_code = checks_failed_by(scenario, &[], |trace| {
        let line = first_line(trace);
        trace.events[line].failure = trace.id("ErrorHandler");
    });
    [missing, twice, without_id, wrong_code]
}

#[test]
fn detects_missing_or_duplicate_log_entry() {
    for scenario in ["taxonomy", "handler"] {
        for failed in tampered_logs(scenario) {
            assert_eq!(failed, ["logged-once"], "{scenario}");
        }
    }
    let once = checks_failed_by("taxonomy", CATCH_ALL, |trace| {
        let line = index_of(trace, |it| it.kind == RecordKind::Log);
        trace.events.remove(line);
    });
    assert_eq!(once, ["logged-once"]);
}

#[test]
fn detects_request_answered_never_or_twice() {
    for (scenario, check) in [
        ("taxonomy", "every-request-answered"),
        ("handler", "every-request-accounted"),
    ] {
        let never = checks_failed_by(scenario, &[], |trace| {
            let end = end_of(trace, RecordKind::Request, "");
            trace.events.remove(end);
        });
        assert_eq!(never, [check]);
        let twice = checks_failed_by(scenario, &[], |trace| {
            let end = end_of(trace, RecordKind::Request, "");
            insert_copy(trace, end, |_| {});
        });
        assert_eq!(twice, [check]);
    }
}

#[test]
fn detects_wrongly_exposed_details() {
    for (scenario, code) in [
        ("taxonomy", "404 not_found"),
        ("handler", "400 invalid_input"),
    ] {
        let exposed = checks_failed_by(scenario, &[], |trace| {
            let end = end_of(trace, RecordKind::Request, code);
            insert_copy(trace, end, |it| {
                (it.kind, it.phase) = (RecordKind::Expose, Phase::Instant);
            });
        });
        assert_eq!(exposed, ["nothing-exposed"]);
    }
    let hidden = checks_failed_by("taxonomy", CATCH_ALL, |trace| {
        let exposed = index_of(trace, |it| it.kind == RecordKind::Expose);
        trace.events.remove(exposed);
    });
    assert_eq!(hidden, ["nothing-exposed"]);
}

#[test]
fn detects_request_lost_by_live_worker() {
    let lost = checks_failed_by("handler", CRASH, |trace| {
        let end = end_of(trace, RecordKind::Request, "");
        let lost = name_id(trace, "lost");
        let number = trace.events[end].subject;
        let worker = |it: &Event| it.kind == RecordKind::Call && it.subject == number;
        let worker = trace.events[index_of(trace, worker)].target;
        trace.events[end].failure = lost;
        // Turns that worker's exit into a normal one.
        for event in &mut trace.events {
            if event.kind == RecordKind::Exit && Some(event.source) == worker {
                event.failure = None;
            }
        }
    });
    assert!(lost.contains(&"every-request-accounted"), "{lost:?}");
    let never_ended = checks_failed_by("handler", CRASH, |trace| {
        let lost = end_of(trace, RecordKind::Request, "lost");
        trace.events.remove(lost);
    });
    assert_eq!(never_ended, ["every-request-accounted"]);
}

/// Returns the index of the last exit.
fn last_exit(trace: &Trace) -> usize {
    let mut events = trace.events.iter();
    events.rposition(|it| it.kind == RecordKind::Exit).unwrap()
}

#[test]
fn detects_worker_ended_by_operational_error() {
    let ended = checks_failed_by("handler", &[("bug_every", "0")], |trace| {
        let exit = last_exit(trace);
        trace.events[exit].failure = name_id(trace, "a bug");
    });
    assert_eq!(ended, ["operational-restarts-nothing"]);
}

#[test]
fn detects_missing_or_extra_restart() {
    // Adds a start without a preceding crash.
    for pairs in [SUPERVISE, SWALLOW, CRASH] {
        let extra_start = checks_failed_by("handler", pairs, |trace| {
            let exit = last_exit(trace);
            insert_copy(trace, exit, |it| {
                (it.kind, it.subject, it.failure) = (RecordKind::Start, 99, None);
            });
        });
        assert_eq!(extra_start, ["bug-and-restart"], "{pairs:?}");
    }
    let survived = checks_failed_by("handler", CRASH, |trace| {
        let exit = end_of(trace, RecordKind::Exit, "a bug");
        trace.events[exit].failure = None;
    });
    assert!(survived.contains(&"bug-and-restart"), "{survived:?}");
    let crashed = checks_failed_by("handler", SWALLOW, |trace| {
        let exit = last_exit(trace);
        trace.events[exit].failure = name_id(trace, "a bug");
    });
    assert_eq!(crashed, ["bug-and-restart"]);
    // Adds a start after the supervisor gave up.
    let start_after_giving_up = checks_failed_by("handler", CRASH_LOOP, |trace| {
        let exit = last_exit(trace);
        insert_copy(trace, exit, |it| {
            (it.kind, it.subject, it.failure) = (RecordKind::Start, 99, None);
        });
    });
    assert_eq!(start_after_giving_up, ["bug-and-restart", "gives-up"]);
}

#[test]
fn detects_reused_process() {
    let reused = checks_failed_by("handler", SUPERVISE, |trace| {
        let is_start = |it: &Event| it.kind == RecordKind::Start && it.subject > 0;
        let id = trace.events[index_of(trace, is_start)].subject;
        let last = trace.events.iter().rposition(is_start).unwrap();
        trace.events[last].subject = id;
    });
    assert_eq!(reused, ["another-process"]);
}

#[test]
fn detects_unexpected_right_or_wrong_answer() {
    let right = checks_failed_by("handler", SWALLOW, |trace| {
        let wrong = index_of(trace, |it| it.kind == RecordKind::Wrong);
        trace.events.remove(wrong);
    });
    assert_eq!(right, ["wrong-answers"]);
    for pairs in [SUPERVISE, SWALLOW, CRASH] {
        let wrong = checks_failed_by("handler", pairs, |trace| {
            let end = end_of(trace, RecordKind::Request, "");
            insert_copy(trace, end, |it| {
                (it.kind, it.phase) = (RecordKind::Wrong, Phase::Instant);
            });
        });
        assert_eq!(wrong, ["wrong-answers"], "{pairs:?}");
    }
}

#[test]
fn detects_wrong_retry_of_a_bug() {
    let retried = checks_failed_by("handler", SUPERVISE, |trace| {
        let bug = end_of(trace, RecordKind::Handle, "a bug in the fees");
        insert_copy(trace, bug, |it| {
            (it.kind, it.phase) = (RecordKind::Retry, Phase::Instant);
        });
    });
    assert_eq!(retried, ["retrying-a-bug"]);
    let not_retried = checks_failed_by("handler", SUPERVISE, |trace| {
        set_param(trace, "retry", "everything");
    });
    assert_eq!(not_retried, ["retrying-a-bug"]);
}

#[test]
fn detects_giving_up_early_or_never() {
    let early = checks_failed_by("handler", CRASH_LOOP, |trace| {
        set_param(trace, "restarts", "4");
    });
    assert_eq!(early, ["gives-up"]);
    let served = checks_failed_by("handler", CRASH_LOOP, |trace| {
        let mut events = trace.events.iter();
        let last = events.rposition(|it| it.kind == RecordKind::Request);
        trace.events[last.unwrap()].failure = None;
    });
    assert_eq!(served, ["gives-up"]);
    let unrecorded = checks_failed_by("handler", CRASH_LOOP, |trace| {
        let given_up = end_of(trace, RecordKind::Exit, "too many restarts");
        trace.events.remove(given_up);
    });
    assert!(unrecorded.contains(&"bug-and-restart"), "{unrecorded:?}");
}
