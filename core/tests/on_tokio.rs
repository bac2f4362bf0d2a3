//! Tests of the module `tokio`.

use futures::executor::block_on;
use highwater::{
    Clock,
    error::{AppError, Breaker, BreakerState, ErrorKind, RetryPolicy},
    scale::{LagMonitor, PoolOptions, WorkError},
    tokio::{LagTask, TokioClock, blocking_pool, monitor_lag, rayon_pool},
};
use std::{
    cell::Cell,
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
        mpsc,
    },
    thread,
    time::Duration,
};
use tokio::{
    runtime::{Builder, Handle},
    task::yield_now,
    time::{Instant, advance, sleep, timeout},
};

const MS: Duration = Duration::from_millis(1);

#[test]
fn clock_works_outside_a_runtime() {
    let before = TokioClock.now();
    assert!(
        before > 60_000 * MS,
        "a runtime may be older than the clock"
    );
    assert!(TokioClock.now() >= before);
}

#[tokio::test(start_paused = true)]
async fn retries_wait_on_the_paused_clock() {
    let (start, calls) = (Instant::now(), Cell::new(0));
    let retry = RetryPolicy::new().attempts(4);
    let run = retry.run(&TokioClock, sleep, async || {
        calls.set(calls.get() + 1);
        let error = AppError::unavailable("stock").with_retry_after(2 * MS);
        if calls.get() < 4 { Err(error) } else { Ok(7) }
    });
    assert_eq!(run.await.unwrap(), 7);
    assert_eq!(calls.get(), 4);
    assert!(start.elapsed() >= 6 * MS);
}

#[tokio::test(start_paused = true)]
async fn breaker_half_opens_on_the_paused_clock() {
    let breaker = Breaker::new("stock")
        .failure_threshold(1)
        .open_duration(5 * MS);
    let call = |is_up| {
        let error = AppError::timeout("stock");
        breaker.call(
            &TokioClock,
            async move || if is_up { Ok(()) } else { Err(error) },
        )
    };
    assert!(call(false).await.is_err());
    sleep(4 * MS).await;
    assert!(call(true).await.is_err(), "still open");
    sleep(MS).await;
    assert!(call(true).await.is_ok());
    assert_eq!(breaker.state(), BreakerState::Closed);
}

#[tokio::test(start_paused = true)]
async fn lag_task_records_a_blocked_loop() {
    let lag = LagTask::spawn(20 * MS);
    sleep(30 * MS).await;
    advance(520 * MS).await;
    yield_now().await;
    let mut expected = LagMonitor::new(20 * MS, Duration::ZERO);
    expected.beat(20 * MS);
    expected.beat(550 * MS);
    let measured = lag.snapshot();
    assert_eq!(
        (measured.beats(), measured.missed(), measured.next_due()),
        (expected.beats(), expected.missed(), expected.next_due())
    );
    assert_eq!(measured.max(), 510 * MS);
    assert_eq!(measured.p50(), expected.p50());
}

#[tokio::test]
async fn dropping_the_lag_task_ends_it() {
    let lag = LagTask::spawn(20 * MS);
    let alive = || Handle::current().metrics().num_alive_tasks();
    assert_eq!(alive(), 1);
    drop(lag);
    let ends = async {
        while alive() > 0 {
            yield_now().await;
        }
    };
    timeout(60_000 * MS, ends).await.expect("the task ended");
}

#[tokio::test(start_paused = true)]
async fn extreme_lag_intervals_are_accepted() {
    let mut beats = 0;
    let never = timeout(1000 * MS, monitor_lag(Duration::MAX, |_| beats += 1));
    assert!(never.await.is_err());
    assert_eq!(beats, 0);
    let often = timeout(10 * MS, monitor_lag(Duration::ZERO, |_| beats += 1));
    assert!(often.await.is_err(), "the loop is not blocked");
    assert!(beats > 0);
}

#[tokio::test]
async fn blocking_pool_runs_off_the_loop() {
    let pool = blocking_pool(PoolOptions::new(1));
    let id = pool.run(|_| thread::current().id()).await.unwrap();
    assert_ne!(id, thread::current().id());
    let bug = pool.run(|_| -> u8 { panic!("out of cheese") }).await;
    assert!(bug.unwrap_err().is_panic());
    assert_eq!((pool.stats().done, pool.latencies().ran.count()), (1, 2));
}

#[test]
fn work_is_lost_when_the_runtime_is_gone() {
    let runtime = Builder::new_current_thread().build().unwrap();
    let pool = {
        let _entered = runtime.enter();
        blocking_pool(PoolOptions::new(1))
    };
    drop(runtime);
    let ticket = pool.try_run(|_| ()).unwrap();
    assert_eq!(block_on(ticket), Err(WorkError::Lost));
}

#[test]
fn rayon_pool_needs_no_runtime() {
    let pool = rayon_pool(PoolOptions::new(1).waiting(0));
    let (go, wait) = mpsc::channel::<()>();
    let running = pool.try_run(move |_| wait.recv().is_ok()).unwrap();
    assert!(pool.try_run(|_| ()).is_err(), "full");
    go.send(()).unwrap();
    assert_eq!(block_on(running), Ok(true));
    assert_eq!(pool.latencies().ran.count(), 1);
}

#[test]
fn pools_keep_the_clock_of_the_options() {
    let seconds = AtomicU64::new(0);
    let clock = Arc::new(move || Duration::from_secs(seconds.fetch_add(1, Relaxed)));
    let pool = rayon_pool(PoolOptions::new(1).clock(clock));
    block_on(pool.run(|_| ())).unwrap();
    assert_eq!(pool.latencies().ran.max(), Duration::from_secs(1));
}

#[tokio::test(start_paused = true)]
async fn errors_of_tokio_are_classified() {
    let elapsed = || async { timeout(MS, sleep(2 * MS)).await.unwrap_err() };
    assert_eq!(AppError::from(elapsed().await).kind(), ErrorKind::Timeout);
    let boxed = AppError::from_boxed(Box::new(io::Error::other(elapsed().await)));
    assert_eq!(boxed.kind(), ErrorKind::Timeout);

    let bug = tokio::spawn(async { panic!("out of cheese") });
    let bug = AppError::from_boxed(Box::new(bug.await.unwrap_err()));
    assert!(bug.is_bug());

    let aborted = tokio::spawn(sleep(MS));
    aborted.abort();
    let aborted = AppError::from(aborted.await.unwrap_err());
    assert_eq!(aborted.kind(), ErrorKind::Cancelled);
}
