//! Tests of pools on real threads, and of pools whose work the test runs itself.
#![expect(clippy::disallowed_methods, reason = "the tests need real threads")]

use futures::{FutureExt, executor::block_on, future::join_all};
use highwater::{
    error::{AppError, ErrorKind},
    scale::{Pool, PoolOptions, Work, WorkError},
};
use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

fn threaded_pool(options: PoolOptions) -> Pool {
    Pool::new(options, |work| drop(thread::spawn(|| work.run())))
}

/// Returns a pool whose work the test runs itself.
fn manual_pool(options: PoolOptions) -> (Pool, Arc<Mutex<Vec<Work>>>) {
    let received: Arc<Mutex<Vec<Work>>> = Arc::default();
    let list = Arc::clone(&received);
    let pool = Pool::new(options, move |work| list.lock().unwrap().push(work));
    (pool, received)
}

fn take(received: &Mutex<Vec<Work>>) -> Work {
    received.lock().unwrap().remove(0)
}

/// A value that panics when it is dropped.
struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        assert!(thread::panicking(), "dropped");
    }
}

#[test]
fn running_work_stays_within_the_limit() {
    const MAX_RUNNING: usize = 3;
    const WORK_COUNT: usize = 200;
    let pool = threaded_pool(PoolOptions::new(MAX_RUNNING).waiting(WORK_COUNT));
    let (running, peak_running) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let tickets = (0..WORK_COUNT).map(|number| {
        let (running, peak_running) = (Arc::clone(&running), Arc::clone(&peak_running));
        let work = move |_: &_| {
            peak_running.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            thread::yield_now();
            running.fetch_sub(1, Ordering::SeqCst);
            number
        };
        pool.try_run(work).unwrap()
    });
    let results = block_on(join_all(tickets.collect::<Vec<_>>()));
    assert!(
        results.into_iter().map(Result::unwrap).eq(0..WORK_COUNT),
        "each ticket has its own result"
    );
    let peak_running = peak_running.load(Ordering::SeqCst);
    assert!(
        (1..=MAX_RUNNING).contains(&peak_running),
        "{peak_running} ran concurrently"
    );
    let stats = pool.stats();
    assert_eq!(
        (stats.accepted, stats.done, stats.waiting),
        (WORK_COUNT as u64, WORK_COUNT as u64, 0)
    );
}

#[test]
fn full_pool_returns_the_work() {
    let (pool, received) = manual_pool(PoolOptions::new(1).waiting(1));
    let tickets = [1, 2].map(|number| pool.try_run(move |_| number).unwrap());
    let rejected = pool.try_run(|_| 3).unwrap_err();
    assert_eq!(pool.stats().rejected, 1);
    let error = AppError::from(rejected.without_work());
    assert_eq!(
        (error.kind(), error.status()),
        (ErrorKind::Unavailable, 503)
    );
    assert!(error.retry_after().is_some());

    let rejected = pool.try_run(|_| 3).unwrap_err();
    take(&received).run();
    assert!(
        received.lock().unwrap().is_empty(),
        "one thread ran both items"
    );
    let third = pool.try_run(rejected.into_inner()).unwrap();
    take(&received).run();
    let results = tickets.into_iter().chain([third]).map(block_on);
    assert!(results.eq([Ok(1), Ok(2), Ok(3)]));
}

#[test]
fn dropped_ticket_frees_its_slot() {
    let (pool, received) = manual_pool(PoolOptions::new(1).waiting(1));
    let ran = Arc::new(AtomicBool::new(false));
    let work = || {
        let ran = Arc::clone(&ran);
        move |_: &_| ran.store(true, Ordering::SeqCst)
    };
    let on_thread = pool.try_run(work()).unwrap();
    let queued = pool.try_run(work()).unwrap();
    drop(queued);
    assert_eq!((pool.stats().waiting, pool.stats().cancelled), (0, 1));
    let other = pool
        .try_run(|_| "other")
        .expect("dropping the ticket frees a slot");
    // This work is on a thread but has not started.
    drop(on_thread);
    take(&received).run();
    assert!(!ran.load(Ordering::SeqCst));
    assert_eq!(block_on(other), Ok("other"));
    let stats = pool.stats();
    assert_eq!((stats.cancelled, stats.done, stats.running), (2, 1, 0));
}

#[test]
fn cancelled_work_frees_its_thread() {
    let pool = threaded_pool(PoolOptions::new(1));
    let (started, has_started) = mpsc::channel();
    let endless = pool.try_run(move |cancellation| {
        started.send(()).unwrap();
        while !cancellation.is_cancelled() {
            thread::yield_now();
        }
    });
    let next = pool.try_run(|_| "next").unwrap();
    has_started.recv().unwrap();
    drop(endless);
    assert_eq!(block_on(next), Ok("next"));
    assert_eq!(pool.stats().cancelled, 1);
}

#[test]
fn panic_fails_only_its_own_work() {
    let pool = threaded_pool(PoolOptions::new(1).waiting(3));
    let bug = pool.try_run(|_| -> u8 { panic!("bug {}", 7) }).unwrap();
    let silent = pool
        .try_run(|_| -> u8 { std::panic::panic_any(7) })
        .unwrap();
    let successful = pool.try_run(|_| 1).unwrap();
    let error = block_on(bug).unwrap_err();
    assert_eq!(error.to_string(), "the work panicked: bug 7");
    assert!(error.is_panic() && !error.is_lost());
    assert_eq!(AppError::from(error).kind(), ErrorKind::Bug);
    assert!(block_on(silent).unwrap_err().is_panic());
    assert_eq!(
        block_on(successful),
        Ok(1),
        "the thread survives the panics"
    );
    assert_eq!((pool.stats().panicked, pool.stats().done), (2, 1));
}

#[test]
fn result_that_panics_on_drop_keeps_the_thread() {
    let (pool, received) = manual_pool(PoolOptions::new(1));
    let ticket = pool.try_run(|cancellation| {
        while !cancellation.is_cancelled() {}
        PanicsOnDrop
    });
    let next = pool.try_run(|_| "next").unwrap();
    let work = take(&received);
    let thread = thread::spawn(|| work.run());
    drop(ticket);
    thread.join().unwrap();
    assert_eq!(block_on(next), Ok("next"));
}

#[test]
fn work_that_panics_on_drop_keeps_the_thread() {
    let (pool, received) = manual_pool(PoolOptions::new(1));
    let panics_on_drop = PanicsOnDrop;
    let ticket = pool.try_run(move |_| drop(panics_on_drop)).unwrap();
    let next = pool.try_run(|_| "next").unwrap();
    drop(ticket);
    take(&received).run();
    assert_eq!(block_on(next), Ok("next"));
    assert_eq!((pool.stats().cancelled, pool.stats().lost), (1, 0));
}

#[test]
fn payload_that_panics_on_drop_keeps_the_thread() {
    let (pool, received) = manual_pool(PoolOptions::new(1));
    let ticket = pool
        .try_run(|_| -> u8 { std::panic::panic_any(PanicsOnDrop) })
        .unwrap();
    let next = pool.try_run(|_| "next").unwrap();
    take(&received).run();
    assert!(block_on(ticket).unwrap_err().is_panic());
    assert_eq!(block_on(next), Ok("next"));
    assert_eq!((pool.stats().panicked, pool.stats().lost), (1, 0));
}

#[test]
fn cancelled_work_does_not_skew_the_estimate() {
    let elapsed_seconds: Arc<AtomicUsize> = Arc::default();
    let clock = Arc::clone(&elapsed_seconds);
    let test_clock = move || Duration::from_secs(clock.load(Ordering::SeqCst) as u64);
    // With four running, a slot becomes free in a quarter of the duration.
    let options = PoolOptions::new(4).waiting(0).clock(Arc::new(test_clock));
    let (pool, received) = manual_pool(options);
    let long = pool.try_run(move |_| elapsed_seconds.fetch_add(8, Ordering::SeqCst));
    take(&received).run();
    assert_eq!(block_on(long.unwrap()), Ok(0));
    for _ in 0..100 {
        drop(pool.try_run(|_| ()).unwrap());
        take(&received).run();
    }
    let _busy = [(); 4].map(|()| pool.try_run(|_| ()).unwrap());
    let rejected = pool.try_run(|_| ()).unwrap_err();
    assert_eq!(rejected.retry_after, Duration::from_secs(2));
}

#[test]
fn failed_spawn_frees_its_slot() {
    let should_fail = Arc::new(AtomicBool::new(true));
    let is_failing = Arc::clone(&should_fail);
    let pool = Pool::new(PoolOptions::new(1).waiting(0), move |work| {
        assert!(!is_failing.load(Ordering::SeqCst), "no more threads");
        work.run();
    });
    let spawn = || drop(pool.try_run(|_| ()));
    assert!(std::panic::catch_unwind(std::panic::AssertUnwindSafe(spawn)).is_err());
    assert_eq!((pool.stats().lost, pool.stats().running), (1, 0));
    should_fail.store(false, Ordering::SeqCst);
    assert_eq!(block_on(pool.try_run(|_| 1).unwrap()), Ok(1));
}

#[test]
fn dropped_work_is_lost() {
    let (pool, received) = manual_pool(PoolOptions::new(2).waiting(2));
    let tickets: Vec<_> = (0..4)
        .map(|number| pool.try_run(move |_| number).unwrap())
        .collect();
    drop(take(&received));
    let mut tickets = tickets.into_iter();
    let lost = block_on(tickets.next().unwrap()).unwrap_err();
    assert_eq!(lost, WorkError::Lost);
    assert!(lost.is_lost());
    assert_eq!(AppError::from(lost).kind(), ErrorKind::Cancelled);
    assert_eq!(
        pool.stats().waiting,
        2,
        "the other thread can still run them"
    );
    drop(take(&received));
    assert!(
        block_on(join_all(tickets))
            .iter()
            .all(|it| *it == Err(WorkError::Lost))
    );
    let stats = pool.stats();
    assert_eq!((stats.lost, stats.running, stats.waiting), (4, 0, 0));
    // The pool still accepts work.
    let ticket = pool.try_run(|_| 1).unwrap();
    take(&received).run();
    assert_eq!(block_on(ticket), Ok(1));
}

#[test]
fn dropped_pool_runs_accepted_work() {
    let (pool, received) = manual_pool(PoolOptions::new(1));
    let tickets = [1, 2].map(|number| pool.try_run(move |_| number).unwrap());
    drop(pool);
    take(&received).run();
    assert!(tickets.into_iter().map(block_on).eq([Ok(1), Ok(2)]));
}

#[test]
fn slot_is_free_once_the_result_arrives() {
    let pool = threaded_pool(PoolOptions::new(1).waiting(0));
    for number in 0..500 {
        let ticket = pool.try_run(move |_| number).expect("the slot is free");
        assert_eq!(block_on(ticket), Ok(number));
    }
}

#[test]
fn work_can_use_its_own_pool() {
    let pool = Pool::new(PoolOptions::new(2).waiting(8), Work::run);
    let own = pool.clone();
    let ticket = pool.try_run(move |_| own.try_run(|_| 1).unwrap().now_or_never());
    assert_eq!(block_on(ticket.unwrap()), Ok(Some(Ok(1))));
}
