//! `handler` and `cluster` with abnormal processes: they cannot be started, or are
//! killed from outside.

use crate::support::experiment;
use futures::channel::mpsc;
use highwater::{
    platform::{
        Exit, Platform, Process, ProcessEvent, ProcessLink, Processes, Program, VirtualTime,
    },
    scenario::{self, Outcome, TRACE_CAPACITY, Tally, WorkerSlots, WorkerState},
    trace::{Recorder, Trace},
};
use std::{cell::Cell, rc::Rc, time::Duration};

/// Runs `handler` in a simulated world with another implementation of processes.
fn run(
    pairs: &[(&str, &str)],
    make_processes: impl FnOnce(Platform) -> Rc<dyn Processes>,
) -> Trace {
    run_scenario("handler", pairs, make_processes)
}

fn run_scenario(
    scenario: &str,
    pairs: &[(&str, &str)],
    make_processes: impl FnOnce(Platform) -> Rc<dyn Processes>,
) -> Trace {
    let experiment = experiment(scenario, pairs);
    let world = VirtualTime::new();
    let recorder = Recorder::new(world.timer(), TRACE_CAPACITY);
    let platform = world.platform();
    let platform = platform.clone().with_processes(make_processes(platform));
    let ended = world.run_to_end(experiment.start(platform, recorder.clone()));
    assert_eq!(ended, Some(()), "the run finishes without a deadlock");
    let mut trace = experiment.new_trace("virtual");
    trace.append(recorder.drain());
    trace
}

fn failed(trace: &Trace) -> Vec<&'static str> {
    let verdicts = scenario::find(&trace.scenario).unwrap().judge(trace);
    let failed = verdicts.iter().filter(|it| it.outcome == Outcome::Failed);
    failed.map(|verdict| verdict.check).collect()
}

/// An implementation in which every start fails.
struct NoProcesses;

impl Processes for NoProcesses {
    fn start(&self, _: &'static Program) -> Process {
        let (events, receiver) = mpsc::unbounded();
        let reason = "too many open files".to_owned();
        let failed_start = ProcessEvent::Exited(Exit::Lost { reason });
        events.unbounded_send(failed_start).unwrap();
        Process::new(0, receiver, Rc::new(NullProcess))
    }
}

struct NullProcess;

impl ProcessLink for NullProcess {
    fn send(&self, _: String) {}
    fn close(&self) {}
    fn kill(&self) {}
}

/// Without workers, a run proves nothing, so it must not pass.
#[test]
fn failed_worker_starts_fail_the_run() {
    for policy in ["supervise", "crash", "swallow"] {
        let trace = run(&[("policy", policy)], |_| Rc::new(NoProcesses));
        let failed = failed(&trace);
        assert!(
            failed.contains(&"operational-restarts-nothing"),
            "{policy}: {failed:?}"
        );
        let tally = Tally::of(&trace);
        assert_eq!((tally.server_errors, tally.requests), (60, 60));
        for slot in tally.worker_slots() {
            assert_eq!(slot.state, WorkerState::Dead);
            let history = slot.history(&trace);
            assert!(history.contains("✗ too many open files"), "{history}");
        }
        let starts = tally.worker_slots().iter().map(|it| it.generations.len());
        let (starts, crashes) = (starts.sum::<usize>(), tally.crashes);
        assert_eq!(usize::try_from(crashes).unwrap(), starts);
    }
}

/// An implementation that kills the first process it starts.
struct KillFirst {
    inner: Platform,
    has_killed: Cell<bool>,
}

impl Processes for KillFirst {
    fn start(&self, program: &'static Program) -> Process {
        let process = Rc::new(self.inner.start(program));
        let (events, receiver) = mpsc::unbounded();
        let id = process.id();
        if !self.has_killed.replace(true) {
            let (platform, process) = (self.inner.clone(), Rc::clone(&process));
            drop(self.inner.spawn(async move {
                platform.sleep(Duration::from_millis(500)).await;
                process.kill();
            }));
        }
        let source = Rc::clone(&process);
        drop(self.inner.spawn(async move {
            loop {
                let event = source.next().await;
                let is_last = matches!(event, ProcessEvent::Exited(_));
                if events.unbounded_send(event).is_err() || is_last {
                    return;
                }
            }
        }));
        Process::new(id, receiver, Rc::new(Forwarder(process)))
    }
}

struct Forwarder(Rc<Process>);

impl ProcessLink for Forwarder {
    fn send(&self, message: String) {
        self.0.send(message);
    }

    fn close(&self) {
        self.0.close();
    }

    fn kill(&self) {
        self.0.kill();
    }
}

/// Reports show process ids, so a user may kill a worker. The checks must not attribute
/// the exit to an operational error.
#[test]
fn externally_killed_worker_is_replaced() {
    for (policy, restarts) in [("supervise", 4), ("crash", 0), ("swallow", 1)] {
        let trace = run(&[("policy", policy), ("latency", "200")], |inner| {
            let has_killed = Cell::default();
            Rc::new(KillFirst { inner, has_killed })
        });
        assert_eq!(failed(&trace), [""; 0], "{policy}");
        let tally = Tally::of(&trace);
        assert_eq!(tally.restarts, restarts, "{policy}");
        let history = tally.worker_slots()[0].history(&trace);
        assert!(history.contains("✗ killed from outside"), "{history}");
        assert!(tally.lost > 0, "its requests in flight are lost");
    }
}

#[test]
fn cluster_gives_up_if_no_worker_starts() {
    for event in ["none", "kill", "hang", "reload"] {
        let trace = run_scenario("cluster", &[("event", event)], |_| Rc::new(NoProcesses));
        let failed = failed(&trace);
        assert!(failed.contains(&"another-process"), "{event}: {failed:?}");
        assert!(!failed.contains(&"gives-up"), "{event}: {failed:?}");
        let worker_slots = WorkerSlots::of(&trace);
        for slot in worker_slots.as_slice() {
            let history = slot.history(&trace);
            assert!(history.contains("✗ too many open files"), "{history}");
        }
    }
}

/// Combines the external kill with every event.
#[test]
fn externally_killed_cluster_worker_is_replaced() {
    for event in ["none", "kill", "hang", "reload", "bad_reload", "crash_loop"] {
        for interval in ["5", "12", "20"] {
            let pairs = [("event", event), ("interval", interval)];
            let trace = run_scenario("cluster", &pairs, |inner| {
                let has_killed = Cell::default();
                Rc::new(KillFirst { inner, has_killed })
            });
            let verdicts = scenario::find("cluster").unwrap().judge(&trace);
            let failed = verdicts.iter().filter(|it| it.outcome == Outcome::Failed);
            let failed: Vec<_> = failed.collect();
            assert!(failed.is_empty(), "{event} {interval}: {failed:?}");
        }
    }
}
