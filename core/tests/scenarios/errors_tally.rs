//! The tally of error scenarios, from handmade traces.

use crate::common::ManualClock;
use highwater::{
    scenario::{self, Tally},
    trace::{RecordKind, Recorder, Trace},
};
use std::{sync::Arc, time::Duration};

/// A recorder with a manual clock.
struct TestTrace {
    clock: ManualClock,
    recorder: Recorder,
}

impl TestTrace {
    fn new() -> Self {
        let clock = ManualClock::default();
        let recorder = Recorder::new(Arc::new(clock.clone()), 1000);
        TestTrace { clock, recorder }
    }

    /// Records a request that ends with this error response, or successfully if `None`.
    fn request(&self, number: u64, response: Option<&str>) {
        let gateway = self.recorder.name("Gateway");
        let span = self.recorder.begin(RecordKind::Request, gateway, number);
        match response {
            None => span.succeed(),
            Some(response) => span.fail(response),
        }
    }

    fn attempt(&self, number: u64, cause: Option<&str>) {
        let worker = self.recorder.name("Worker 1");
        let span = self.recorder.begin(RecordKind::Handle, worker, number);
        match cause {
            None => span.succeed(),
            Some(cause) => span.fail(cause),
        }
    }

    fn tally(&self) -> Tally {
        let experiment = scenario::find("handler").unwrap().experiment();
        let mut trace: Trace = experiment.new_trace("virtual");
        trace.append(self.recorder.drain());
        Tally::of(&trace)
    }
}

#[test]
fn empty_trace_gives_empty_tally() {
    let tally = TestTrace::new().tally();
    assert_eq!(tally, Tally::default());
    assert_eq!((tally.availability(), tally.amplification()), (None, None));
}

#[test]
fn requests_are_counted_by_answer() {
    let trace = TestTrace::new();
    trace.request(1, None);
    trace.request(2, Some("404 not_found"));
    trace.request(3, Some("500 internal_error"));
    trace.request(4, Some("503 unavailable"));
    trace.request(5, Some("lost"));
    trace.request(6, Some("cancelled"));
    trace.request(7, None);
    let gateway = trace.recorder.name("Gateway");
    let open = trace.recorder.begin(RecordKind::Request, gateway, 8);
    trace.recorder.instant(RecordKind::Wrong, gateway, 7);
    trace.recorder.instant(RecordKind::Expose, gateway, 3);
    let tally = trace.tally();
    assert_eq!((tally.requests, tally.in_flight()), (8, 1));
    let responses = (tally.succeeded, tally.client_errors, tally.server_errors);
    assert_eq!(responses, (2, 1, 2));
    assert_eq!((tally.answered(), tally.lost), (5, 2));
    assert_eq!((tally.wrong, tally.exposed), (1, 1));
    // Wrong answers intentionally count as available.
    assert_eq!(tally.availability(), Some(428));
    drop(open);
}

#[test]
fn attempts_errors_and_log_entries_are_counted() {
    let trace = TestTrace::new();
    trace.attempt(1, Some("the bank timed out"));
    trace.attempt(1, None);
    trace.attempt(2, Some("handed back"));
    trace.attempt(2, Some("lost"));
    for number in [1, 2] {
        trace.request(number, None);
    }
    let handler = trace.recorder.name("ErrorHandler");
    trace
        .recorder
        .instant_with_cause(RecordKind::Log, handler, 1, "timeout");
    trace
        .recorder
        .instant_with_cause(RecordKind::Retry, handler, 1, "timeout");
    trace.recorder.instant(RecordKind::Reject, handler, 1);
    let tally = trace.tally();
    assert_eq!((tally.attempts, tally.errors), (3, 1));
    assert_eq!((tally.logged, tally.retries, tally.rejected), (1, 1, 1));
    assert_eq!(tally.amplification(), Some(150));
}

#[test]
fn restarts_are_counted_and_timed() {
    let trace = TestTrace::new();
    let TestTrace { clock, recorder } = &trace;
    let [one, two, supervisor] = ["Worker 1", "Worker 2", "Supervisor"].map(|it| recorder.name(it));
    recorder.instant(RecordKind::Start, supervisor, 0);
    let starting = recorder.name("starting");
    for (worker, id) in [(one, 11), (two, 12)] {
        recorder.send(RecordKind::Switch, worker, starting, id);
        recorder.instant(RecordKind::Start, worker, id);
    }
    for (millis, id) in [(30, 13), (20, 14)] {
        recorder.instant_with_cause(RecordKind::Exit, one, id, "a bug");
        clock.advance(Duration::from_millis(millis));
        recorder.instant(RecordKind::Start, one, id);
    }
    recorder.instant_with_cause(RecordKind::Exit, two, 12, "killed");
    recorder.instant_with_cause(RecordKind::Exit, supervisor, 0, "too many restarts");
    // A normal exit.
    recorder.instant(RecordKind::Exit, one, 14);
    let tally = trace.tally();
    assert_eq!(
        (tally.crashes, tally.restarts),
        (2, 2),
        "a kill does not count as a crash"
    );
    assert!(tally.has_given_up);
    let figures = tally.figures();
    assert!(figures.contains(&("Restarts", "2, then gave up".to_owned())));
    assert_eq!(tally.longest_restart, Duration::from_millis(30));
}
