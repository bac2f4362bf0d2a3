//! The tally of error scenarios, from handmade traces.

use crate::common::ManualClock;
use highwater::{
    scenario::{self, Tally},
    trace::{RecordKind, Recorder, Trace},
};
use std::{sync::Arc, time::Duration};

/// A recorder with a manual clock.
struct Written {
    clock: ManualClock,
    recorder: Recorder,
}

impl Written {
    fn new() -> Self {
        let clock = ManualClock::default();
        let recorder = Recorder::new(Arc::new(clock.clone()), 1000);
        Written { clock, recorder }
    }

    /// Records a request that ends with this answer; `None` is a success.
    fn request(&self, number: u64, answer: Option<&str>) {
        let gateway = self.recorder.name("Gateway");
        let span = self.recorder.begin(RecordKind::Request, gateway, number);
        match answer {
            None => span.succeed(),
            Some(answer) => span.fail(answer),
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
    let tally = Written::new().tally();
    assert_eq!(tally, Tally::default());
    assert_eq!((tally.availability(), tally.amplification()), (None, None));
}

#[test]
fn requests_are_counted_by_answer() {
    let written = Written::new();
    written.request(1, None);
    written.request(2, Some("404 not_found"));
    written.request(3, Some("500 internal_error"));
    written.request(4, Some("503 unavailable"));
    written.request(5, Some("lost"));
    written.request(6, Some("cancelled"));
    written.request(7, None);
    let gateway = written.recorder.name("Gateway");
    let open = written.recorder.begin(RecordKind::Request, gateway, 8);
    written.recorder.instant(RecordKind::Wrong, gateway, 7);
    written.recorder.instant(RecordKind::Expose, gateway, 3);
    let tally = written.tally();
    assert_eq!((tally.requests, tally.in_flight()), (8, 1));
    let answers = (tally.succeeded, tally.client_errors, tally.server_errors);
    assert_eq!(answers, (2, 1, 2));
    assert_eq!((tally.answered(), tally.lost), (5, 2));
    assert_eq!((tally.wrong, tally.exposed), (1, 1));
    // Wrong answers count as available, on purpose.
    assert_eq!(tally.availability(), Some(428));
    drop(open);
}

#[test]
fn attempts_errors_and_log_entries_are_counted() {
    let written = Written::new();
    written.attempt(1, Some("the bank timed out"));
    written.attempt(1, None);
    written.attempt(2, Some("handed back"));
    written.attempt(2, Some("lost"));
    for number in [1, 2] {
        written.request(number, None);
    }
    let handler = written.recorder.name("ErrorHandler");
    written
        .recorder
        .instant_with_cause(RecordKind::Log, handler, 1, "timeout");
    written
        .recorder
        .instant_with_cause(RecordKind::Retry, handler, 1, "timeout");
    written.recorder.instant(RecordKind::Refuse, handler, 1);
    let tally = written.tally();
    assert_eq!((tally.attempts, tally.errors), (3, 1));
    assert_eq!((tally.logged, tally.retries, tally.refused), (1, 1, 1));
    assert_eq!(tally.amplification(), Some(150));
}

#[test]
fn restarts_are_counted_and_timed() {
    let written = Written::new();
    let Written { clock, recorder } = &written;
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
    let tally = written.tally();
    assert_eq!(
        (tally.crashes, tally.restarts),
        (2, 2),
        "a kill is no crash"
    );
    assert!(tally.has_given_up);
    let figures = tally.figures();
    assert!(figures.contains(&("Restarts", "2, then gave up".to_owned())));
    assert_eq!(tally.longest_restart, Duration::from_millis(30));
}
