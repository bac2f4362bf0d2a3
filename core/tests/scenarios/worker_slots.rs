//! Worker slots of a tally, from handmade traces and from runs.

use crate::common::ManualClock;
use highwater::{
    scenario::{self, Tally, WorkerState},
    trace::{RecordKind, Recorder, Trace},
};
use std::{sync::Arc, time::Duration};

/// Returns the state, process id and generation of the first slot after each record.
fn states(trace: &Trace) -> Vec<(WorkerState, u64, usize)> {
    let mut tally = Tally::default();
    let mut states = Vec::new();
    for event in &trace.events {
        tally.apply(trace, event);
        let slot = &tally.worker_slots()[0];
        states.push((slot.state, slot.process(), slot.generation()));
    }
    states
}

fn recorded_trace(write: impl FnOnce(&Recorder)) -> Trace {
    let clock = ManualClock::default();
    clock.advance(Duration::from_millis(5));
    let recorder = Recorder::new(Arc::new(clock), 1000);
    write(&recorder);
    let experiment = scenario::find("handler").unwrap().experiment();
    let mut trace = experiment.new_trace("virtual");
    trace.append(recorder.drain());
    trace
}

#[test]
fn slot_tracks_successive_processes() {
    let trace = recorded_trace(|recorder| {
        let worker = recorder.name("Worker 1");
        let [starting, draining] = ["starting", "draining"].map(|state| recorder.name(state));
        recorder.send(RecordKind::Switch, worker, starting, 7);
        recorder.instant(RecordKind::Start, worker, 7);
        recorder.send(RecordKind::Switch, worker, draining, 7);
        recorder.instant_with_cause(RecordKind::Exit, worker, 7, "a bug");
        recorder.send(RecordKind::Switch, worker, starting, 9);
        recorder.instant(RecordKind::Start, worker, 9);
        recorder.instant(RecordKind::Exit, worker, 9);
    });
    let expected = [
        (WorkerState::Starting, 7, 1),
        (WorkerState::Ready, 7, 1),
        (WorkerState::Draining, 7, 1),
        (WorkerState::Dead, 7, 1),
        (WorkerState::Starting, 9, 2),
        (WorkerState::Ready, 9, 2),
        (WorkerState::Ended, 9, 2),
    ];
    assert_eq!(states(&trace), expected);
    let tally = Tally::of(&trace);
    assert_eq!(tally.worker_slots()[0].history(&trace), "7 ✗ a bug → 9");
}

#[test]
fn breaker_is_not_a_worker_slot() {
    let trace = recorded_trace(|recorder| {
        let (breaker, open) = (recorder.name("Breaker"), recorder.name("open"));
        recorder.send(RecordKind::Switch, breaker, open, 3);
    });
    assert!(Tally::of(&trace).worker_slots().is_empty());
}

#[test]
fn each_crash_adds_a_generation() {
    let trace = scenario::find("handler").unwrap().experiment().simulate();
    let tally = Tally::of(&trace);
    let mut ids: Vec<u64> = Vec::new();
    let mut crashes = 0;
    for slot in tally.worker_slots() {
        assert_eq!(slot.state, WorkerState::Ended);
        ids.extend(slot.generations.iter().map(|it| it.process));
        let (last, before) = slot.generations.split_last().unwrap();
        assert_eq!(last.cause, None, "the last process exited normally");
        assert!(before.iter().all(|it| it.cause.is_some()));
        crashes += before.len() as u64;
    }
    assert!(crashes > 0);
    assert_eq!((crashes, crashes), (tally.crashes, tally.restarts));
    let count = ids.len();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), count, "no process is in two slots");
}

#[test]
fn figures_match_the_scenario() {
    let empty = Tally::default().figures();
    assert_eq!(empty[0], ("Available", "–".to_owned()));
    let trace = scenario::find("handler").unwrap().experiment().simulate();
    let figures = Tally::of(&trace).figures();
    let has_figure = |figures: &[(&str, String)], name| figures.iter().any(|it| it.0 == name);
    assert!(has_figure(&figures, "Crashes") && !has_figure(&empty, "Crashes"));
    // Only `taxonomy` has a breaker.
    assert!(
        has_figure(&empty, "Rejected by breaker") && !has_figure(&figures, "Rejected by breaker")
    );
    let value = |name| figures.iter().find(|it| it.0 == name).map(|it| &it.1);
    assert_eq!(value("Log lines"), value("Errors"));
    assert!(value("Longest restart").unwrap().ends_with(" ms"));
}
