//! Threads in simulated time.

use crate::computing;
use highwater::{
    platform::{HANDOFF, Job, Platform, SIMULATED_CORES, VirtualTime},
    trace::{Event, Phase, RecordKind, Recorder},
};
use std::time::Duration;

fn world() -> (VirtualTime, Platform, Recorder) {
    let world = VirtualTime::new();
    let trace = Recorder::new(world.timer(), 4096);
    let platform = world.platform();
    (world, platform, trace)
}

fn job(ms: u64) -> Job {
    Job::costing(Job::Primes, Duration::from_millis(ms))
}

fn ends(trace: &Recorder) -> Vec<Event> {
    let events = trace.drain().events.into_iter();
    let is_end = |it: &Event| it.kind == RecordKind::Compute && it.phase == Phase::End;
    events.filter(is_end).collect()
}

#[test]
fn shared_checks_pass_in_simulated_time() {
    for (name, check) in computing::CHECKS {
        let (world, platform, trace) = world();
        let ended = world.run_to_end(check(platform, trace));
        assert!(ended.is_some(), "{name} never ends");
    }
}

/// Returns the time that `jobs` equal jobs take on `threads` threads.
fn took(jobs: usize, threads: usize, job: Job) -> Duration {
    let (world, platform, trace) = world();
    let threads = platform.threads(threads, jobs);
    let tickets = (0..jobs).map(|_| threads.try_compute(job, &trace, 0).unwrap());
    let all = futures::future::join_all(tickets.collect::<Vec<_>>());
    assert!(world.run_to_end(all).unwrap().iter().all(Result::is_ok));
    world.now()
}

#[test]
fn jobs_take_their_cost_and_share_cores() {
    let job = job(20);
    let alone = job.cost() + HANDOFF;
    assert_eq!(took(1, 1, job), alone);
    assert_eq!(took(6, 1, job), 6 * alone);
    assert_eq!(took(6, 3, job), 2 * alone);
    assert_eq!(took(SIMULATED_CORES, 64, job), alone);
    // More threads than cores are no faster and add a small overhead.
    let all = 4 * SIMULATED_CORES;
    let well = took(all, SIMULATED_CORES, job);
    let oversubscribed = took(all, all, job);
    assert_eq!(well, 4 * alone);
    assert!(oversubscribed > well && oversubscribed < well + well / 10);
}

#[test]
fn threads_run_while_the_loop_is_blocked() {
    let (world, platform, trace) = world();
    let own = trace.clone();
    let long = job(100);
    let short = job(30);
    let results = world.run_to_end(async move {
        let threads = platform.threads(1, 1);
        let tickets = [1, 2].map(|number| threads.try_compute(short, &own, number).unwrap());
        platform.run_on_loop(long, &own, 3);
        futures::future::join_all(tickets).await
    });
    assert!(results.unwrap().iter().all(Result::is_ok));
    let ends = ends(&trace);
    assert_eq!(
        ends.iter().map(|it| it.subject).collect::<Vec<_>>(),
        [1, 2, 3]
    );
    let alone = short.cost() + HANDOFF;
    let at: Vec<_> = ends.iter().map(Event::recorded_at).collect();
    assert_eq!(at, [alone, 2 * alone, long.cost()], "each at its own time");
    assert_eq!(world.now(), long.cost());
}

#[test]
fn shortcut_results_equal_computed_results() {
    for kind in [Job::Primes, Job::Fib] {
        for size in (0..30).chain([121, 122, 1_000, 9_999]) {
            if kind(size).cost() > Duration::from_millis(20) {
                continue;
            }
            let (world, platform, trace) = world();
            let answer =
                world.run_to_end(async move { platform.run_on_loop(kind(size), &trace, 0) });
            assert_eq!(answer, Some(kind(size).run()), "{}", kind(size));
        }
    }
}

#[test]
fn cancelled_job_ends_immediately() {
    let (world, platform, trace) = world();
    let own = trace.clone();
    world.run_to_end(async move {
        let threads = platform.threads(1, 1);
        let ticket = threads.try_compute(Job::Fib(60), &own, 1).unwrap();
        let next = threads.try_compute(Job::Fib(1), &own, 2).unwrap();
        platform.sleep(Duration::from_millis(7)).await;
        drop(ticket);
        assert_eq!(next.await, Ok(1));
    });
    let ends = ends(&trace);
    assert_eq!(ends[0].recorded_at(), Duration::from_millis(7));
    assert!(ends[0].failure.is_some() && ends[1].failure.is_none());
}

#[test]
fn dropping_the_world_cancels_running_jobs() {
    let (world, platform, trace) = world();
    let threads = platform.threads(1, 1);
    let tickets = [1, 2].map(|number| threads.try_compute(Job::Fib(60), &trace, number));
    world.run_until(Duration::from_secs(1));
    drop(world);
    let ends = ends(&trace);
    assert_eq!(ends.len(), 1);
    assert!(ends[0].failure.is_some());
    let lost = tickets.map(|ticket| futures::executor::block_on(ticket.unwrap()));
    assert!(lost.iter().all(Result::is_err));
    // No thread is left to run later jobs.
    let late = threads.try_compute(Job::Fib(1), &trace, 3).unwrap();
    assert!(futures::executor::block_on(late).is_err());
}

#[test]
fn runs_are_exactly_repeatable() {
    let run = || {
        let (world, platform, trace) = world();
        let own = trace.clone();
        world.run_to_end(async move {
            let threads = platform.threads(7, 50);
            let tickets = (0..40).map(|number| {
                threads
                    .try_compute(Job::Primes(1_000 * (number % 9)), &own, number.into())
                    .unwrap()
            });
            futures::future::join_all(tickets.collect::<Vec<_>>()).await
        });
        trace.drain()
    };
    assert_eq!(run(), run());
}
