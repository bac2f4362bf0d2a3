//! Tests of callers that wait for room.
#![expect(clippy::disallowed_methods, reason = "the tests need real threads")]

use futures::{FutureExt, executor::block_on, future::join_all};
use highwater::scale::{Cancellation, Pool, PoolOptions, Work, WorkError};
use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

type ReceivedWork = Arc<Mutex<Vec<Work>>>;
type Run<T> = Pin<Box<dyn Future<Output = Result<T, WorkError>> + Send>>;

/// Returns a pool whose work the test runs itself.
fn pool(options: PoolOptions) -> (Pool, ReceivedWork) {
    let received = ReceivedWork::default();
    let list = Arc::clone(&received);
    let pool = Pool::new(options, move |work| list.lock().unwrap().push(work));
    (pool, received)
}

fn single_slot() -> PoolOptions {
    PoolOptions::new(1).waiting(0)
}

fn run_all(received: &ReceivedWork) {
    let work = std::mem::take(&mut *received.lock().unwrap());
    work.into_iter().for_each(Work::run);
}

fn start_run<T: Send + 'static>(
    pool: &Pool,
    work: impl FnOnce(&Cancellation) -> T + Send + 'static,
) -> Run<T> {
    let mut run: Run<T> = Box::pin(pool.run(work));
    assert!(run.as_mut().now_or_never().is_none());
    run
}

#[test]
fn callers_are_admitted_in_order() {
    let (pool, received) = pool(single_slot());
    let order: Arc<Mutex<Vec<u32>>> = Arc::default();
    let runs: Vec<_> = (0..20)
        .map(|number| {
            let order = Arc::clone(&order);
            start_run(&pool, move |_| order.lock().unwrap().push(number))
        })
        .collect();
    assert!(
        pool.try_run(|_| ()).is_err(),
        "try_run does not overtake waiting callers"
    );
    assert_eq!((pool.stats().running, pool.stats().waiting), (1, 19));
    run_all(&received);
    assert!(block_on(join_all(runs)).iter().all(Result::is_ok));
    assert_eq!(*order.lock().unwrap(), (0..20).collect::<Vec<_>>());
    let stats = pool.stats();
    assert_eq!((stats.done, stats.rejected, stats.waiting), (20, 1, 0));
}

#[test]
fn nothing_is_accepted_before_the_first_poll() {
    let (pool, received) = pool(single_slot());
    let unpolled = pool.run(|_| 1);
    assert_eq!(pool.stats().accepted, 0);
    let second = start_run(&pool, |_| 2);
    drop(unpolled);
    run_all(&received);
    assert_eq!(block_on(second), Ok(2));
    assert_eq!(pool.stats().accepted, 1);
}

#[test]
fn cancelled_caller_leaves_the_queue() {
    let (pool, received) = pool(single_slot());
    let ran = Arc::new(AtomicU64::new(0));
    let count = |ran: &Arc<AtomicU64>| {
        let ran = Arc::clone(ran);
        move |_: &Cancellation| ran.fetch_add(1, Relaxed)
    };
    let first = start_run(&pool, count(&ran));
    let (second, third) = (start_run(&pool, count(&ran)), start_run(&pool, count(&ran)));
    drop(second);
    assert_eq!((pool.stats().waiting, pool.stats().cancelled), (1, 1));
    run_all(&received);
    assert!(block_on(first).is_ok() && block_on(third).is_ok());
    assert_eq!(ran.load(Relaxed), 2);
}

#[test]
fn panics_and_lost_work_reach_the_caller() {
    let (pool, received) = pool(single_slot());
    let bug = start_run(&pool, |_| -> u8 { panic!("out of cheese") });
    let next = start_run(&pool, |_| 7_u8);
    run_all(&received);
    assert!(block_on(bug).unwrap_err().is_panic());
    assert_eq!(block_on(next), Ok(7), "the thread survives the panic");

    let (first, waiting) = (start_run(&pool, |_| ()), start_run(&pool, |_| ()));
    received.lock().unwrap().clear();
    assert_eq!(block_on(first), Err(WorkError::Lost));
    assert_eq!(block_on(waiting), Err(WorkError::Lost));
}

#[test]
fn all_waiting_threads_finish() {
    let pool = Pool::new(single_slot(), |work| {
        std::thread::spawn(|| work.run());
    });
    let callers = (0..8_u64).map(|caller| {
        let pool = pool.clone();
        std::thread::spawn(move || {
            (0..50_u64)
                .map(|n| block_on(pool.run(move |_| caller + n)).unwrap())
                .sum::<u64>()
        })
    });
    let callers: Vec<_> = callers.collect();
    let sum: u64 = callers.into_iter().map(|it| it.join().unwrap()).sum();
    assert_eq!(sum, (0..8).map(|caller| caller * 50 + 1_225).sum::<u64>());
    assert_eq!((pool.stats().done, pool.stats().rejected), (400, 0));
}

#[test]
fn wait_and_run_times_are_recorded_and_merged() {
    let ms = Arc::new(AtomicU64::new(0));
    let clock_ms = Arc::clone(&ms);
    let clock = move || Duration::from_millis(clock_ms.load(Relaxed));
    let (pool, received) = pool(single_slot().clock(Arc::new(clock)));
    let advance_by = |time: u64| {
        let ms = Arc::clone(&ms);
        move |_: &Cancellation| ms.fetch_add(time, Relaxed)
    };
    let runs = [
        start_run(&pool, advance_by(100)),
        start_run(&pool, advance_by(300)),
    ];
    run_all(&received);
    assert!(block_on(join_all(runs)).iter().all(Result::is_ok));
    let latencies = pool.latencies();
    assert_eq!((latencies.ran.count(), latencies.waited.count()), (2, 2));
    assert_eq!(latencies.ran.max(), Duration::from_millis(300));
    assert_eq!(latencies.waited.max(), Duration::from_millis(100));
    let mut both = pool.latencies().ran;
    both.merge(&latencies.ran);
    assert_eq!((both.count(), both.max()), (4, latencies.ran.max()));
}
