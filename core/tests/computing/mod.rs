//! Checks of threads that pass in every world.
//!
//! No check depends on timing. A failing check panics or never completes. Each
//! receives a world's platform and a recorder on its clock.

use futures::{
    FutureExt,
    future::{LocalBoxFuture, join_all},
};
use highwater::{
    platform::{Job, Platform},
    scale::{Ticket, WorkError},
    trace::{Event, Phase, RecordBatch, RecordKind, Recorder},
};
use std::{collections::BTreeSet, time::Duration};

/// A check, to be run on its world's loop.
pub(crate) type Check = fn(Platform, Recorder) -> LocalBoxFuture<'static, ()>;

/// All checks with their names.
pub(crate) static CHECKS: &[(&str, Check)] = &[
    ("results", |p, trace| results(p, trace).boxed_local()),
    ("bounds", |p, trace| bounds(p, trace).boxed_local()),
    ("rejected", |p, trace| rejected(p, trace).boxed_local()),
    ("cancelled", |p, trace| cancelled(p, trace).boxed_local()),
    ("on the loop", |p, trace| {
        on_the_loop(p, trace).boxed_local()
    }),
    ("others", |p, trace| others(p, trace).boxed_local()),
];

const KINDS: [fn(u32) -> Job; 4] = [Job::Primes, Job::Fib, Job::HashChain, Job::Mandelbrot];

type Result = std::result::Result<u64, WorkError>;

fn computed(batch: &RecordBatch) -> Vec<Event> {
    let events = batch.events.iter();
    events
        .filter(|it| it.kind == RecordKind::Compute)
        .copied()
        .collect()
}

async fn all(tickets: impl IntoIterator<Item = Ticket<u64>>) -> Vec<Result> {
    join_all(tickets).await
}

/// Tickets resolve to the correct results.
async fn results(platform: Platform, trace: Recorder) {
    let threads = platform.threads(2, 100);
    let jobs: Vec<Job> = KINDS
        .iter()
        .flat_map(|kind| [0, 1, 2, 17, 22].map(kind))
        .collect();
    let tickets = jobs.iter().zip(0..);
    let tickets = tickets.map(|(job, number)| threads.try_compute(*job, &trace, number).unwrap());
    let results = all(tickets.collect::<Vec<_>>()).await;
    let expected = jobs.iter().map(|job| Ok(job.run()));
    assert!(results.into_iter().eq(expected));
}

/// Each job begins and ends once, and a thread runs one job at a time.
async fn bounds(platform: Platform, trace: Recorder) {
    const JOBS: u64 = 40;
    let threads = platform.threads(3, 100);
    assert!((1..=3).contains(&threads.count()));
    let job = Job::costing(Job::Primes, Duration::from_millis(1));
    let tickets = (0..JOBS).map(|number| threads.try_compute(job, &trace, number).unwrap());
    let results = all(tickets.collect::<Vec<_>>()).await;
    assert!(results.iter().all(|result| *result == results[0]));
    let batch = trace.drain();
    let events = computed(&batch);
    let mut running: Vec<(u32, u64)> = Vec::new();
    let mut ended = BTreeSet::new();
    for event in &events {
        let name = &batch.names[event.source.index()];
        if event.thread == 0 {
            assert_eq!(name, "Loop");
        } else {
            assert_eq!(*name, format!("Thread {}", event.thread));
        }
        assert_eq!(event.thread != 0, threads.is_off_loop());
        let it = (event.thread, event.subject);
        if event.phase == Phase::Begin {
            assert!(running.iter().all(|(thread, _)| *thread != event.thread));
            running.push(it);
            assert!(running.len() <= threads.count());
        } else {
            let place = running.iter().position(|other| *other == it);
            running.remove(place.expect("it began on that thread"));
            assert!(ended.insert(event.subject));
        }
    }
    assert_eq!(ended.len() as u64, JOBS);
    assert!(running.is_empty());
    assert!(events.is_sorted_by_key(Event::recorded_at));
    let stats = threads.stats();
    assert_eq!((stats.accepted, stats.done, stats.running), (JOBS, JOBS, 0));
}

/// A job that runs until it is cancelled.
fn endless_job() -> Job {
    Job::Fib(60)
}

async fn rejected(platform: Platform, trace: Recorder) {
    let threads = platform.threads(1, 1);
    let small = Job::Fib(10);
    let tickets = [1, 2].map(|number| threads.try_compute(small, &trace, number).unwrap());
    let third = threads.try_compute(small, &trace, 3);
    // On a fast thread there may be room again.
    if let Err(rejected) = third {
        assert_eq!(rejected.work, small);
        assert!(!rejected.retry_after.is_zero());
    }
    assert_eq!(all(tickets).await, [Ok(55), Ok(55)]);
    let again = threads.try_compute(small, &trace, 4).unwrap();
    assert_eq!(again.await, Ok(55));
}

/// Dropping a ticket frees the thread, and a cancelled waiting job never runs.
async fn cancelled(platform: Platform, trace: Recorder) {
    let threads = platform.threads(1, 2);
    if !threads.is_off_loop() {
        // The loop would run the job forever and could not cancel it.
        return;
    }
    let endless = threads.try_compute(endless_job(), &trace, 1).unwrap();
    let waits = threads.try_compute(endless_job(), &trace, 2).unwrap();
    platform.sleep(Duration::from_millis(5)).await;
    drop(waits);
    let next = threads.try_compute(Job::Fib(10), &trace, 3).unwrap();
    drop(endless);
    assert_eq!(next.await, Ok(55));
    let batch = trace.drain();
    let events = computed(&batch);
    let outcomes = events.iter().filter(|it| it.phase == Phase::End);
    let outcomes: Vec<_> = outcomes
        .map(|it| {
            (
                it.subject,
                it.failure.map(|cause| batch.names[cause.index()].as_str()),
            )
        })
        .collect();
    assert_eq!(outcomes, [(1, Some("cancelled")), (3, None)]);
    assert_eq!(threads.stats().cancelled, 2);
}

/// A job on the loop blocks it.
async fn on_the_loop(platform: Platform, trace: Recorder) {
    let own = (platform.clone(), trace.clone());
    let beat = trace.name("Beat");
    let other = platform.spawn(async move {
        own.0.sleep(Duration::ZERO).await;
        own.1.instant(RecordKind::Handle, beat, 0);
    });
    let job = Job::costing(Job::HashChain, Duration::from_millis(5));
    assert_eq!(platform.run_on_loop(job, &trace, 7), job.run());
    other.await;
    let events = trace.drain().events;
    let [begin, end, beat] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(
        (begin.kind, begin.subject, begin.thread),
        (RecordKind::Compute, 7, 0)
    );
    assert_eq!(
        (end.kind, end.phase, end.thread),
        (RecordKind::Compute, Phase::End, 0)
    );
    assert_eq!(beat.kind, RecordKind::Handle);
}

/// The loop keeps running while a thread computes.
async fn others(platform: Platform, trace: Recorder) {
    let threads = platform.threads(1, 0);
    if !threads.is_off_loop() {
        return;
    }
    let endless = threads.try_compute(endless_job(), &trace, 1).unwrap();
    for _ in 0..20 {
        platform.sleep(Duration::ZERO).await;
    }
    assert!(
        threads.try_compute(Job::Fib(1), &trace, 2).is_err(),
        "there is no other thread"
    );
    drop(endless);
    let next = loop {
        match threads.try_compute(Job::Fib(20), &trace, 3) {
            Ok(ticket) => break ticket,
            Err(_) => platform.sleep(Duration::from_millis(1)).await,
        }
    };
    assert_eq!(next.await, Ok(6_765));
    assert!(platform.cores() >= 1);
}
