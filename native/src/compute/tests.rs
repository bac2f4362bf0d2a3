//! Tests of the compute port with real threads.

#[path = "../../../core/tests/computing/mod.rs"]
mod computing;

use super::*;
use crate::platform::{NativeSpawn, NativeTimer};
use highwater::{platform::Platform, trace::Recorder};
use std::rc::Rc;
use tokio::task::LocalSet;

fn platform() -> (Platform, Recorder) {
    let stop: Arc<Stop> = Arc::default();
    let timer = Arc::new(NativeTimer::start(Arc::clone(&stop)));
    let trace = Recorder::new(timer.clone(), 4096);
    let (spawn, _bugs) = NativeSpawn::new();
    let platform = Platform::new(timer, Rc::new(spawn));
    (
        platform.with_compute(Rc::new(NativeCompute::new(stop))),
        trace,
    )
}

#[tokio::test]
async fn shared_compute_checks_pass() {
    for (_, check) in computing::CHECKS {
        let (platform, trace) = platform();
        LocalSet::new().run_until(check(platform, trace)).await;
    }
}

#[tokio::test]
async fn every_pool_numbers_its_threads_from_one() {
    let (platform, trace) = platform();
    for _ in 0..2 {
        let threads = platform.threads(1, 0);
        assert!(threads.is_off_loop());
        let ticket = threads.try_compute(Job::Fib(5), &trace, 0).unwrap();
        assert_eq!(ticket.await, Ok(5));
    }
    let events = trace.drain().events;
    let threads: Vec<u32> = events.iter().map(|event| event.thread).collect();
    assert_eq!(threads, [1, 1, 1, 1]);
}

#[tokio::test]
async fn loop_runs_jobs_if_no_thread_starts() {
    for (_, check) in computing::CHECKS {
        let (platform, trace) = platform();
        let platform = platform.with_compute(Rc::new(LoopCompute));
        LocalSet::new().run_until(check(platform, trace)).await;
    }
}

/// A port whose pools have no threads.
struct LoopCompute;

impl Compute for LoopCompute {
    fn cores(&self) -> usize {
        1
    }

    fn start(&self, _: usize) -> Arc<dyn Executor> {
        Arc::new(LoopExecutor)
    }

    fn run_on_loop(&self, job: Job) -> u64 {
        job.run()
    }
}

#[test]
fn stop_unblocks_the_loop() {
    let stop: Arc<Stop> = Arc::default();
    let compute = NativeCompute::new(Arc::clone(&stop));
    stop.request();
    // Without the stop, this would take centuries.
    assert_eq!(compute.run_on_loop(Job::Fib(90)), 0);
}
