//! Highwater's thread pool, used from an event loop.

use std::time::{Duration, Instant};

use futures::stream::{FuturesUnordered, StreamExt as _};
use highwater::scale::{LagMonitor, Pool, PoolOptions};
use tokio::runtime::{Builder, Runtime};
use tokio::time::sleep_until;

use super::node::LoopDelay;

/// The input of a job that takes seconds.
pub(super) const SLOW_JOB: u32 = 42;
/// The input of a job that takes less time than handing it to another thread.
pub(super) const TINY_JOB: u32 = 5;
const THREADS: usize = 2;
/// The interval of the event loop's timer.
const TICK_INTERVAL: Duration = Duration::from_millis(5);
/// The number of small tasks in flight, as for piscina.
const TASKS_IN_FLIGHT: usize = 64;
const WARM_UP: Duration = Duration::from_millis(200);
const TURN: Duration = Duration::from_secs(1);

/// Returns the event loop delay while two jobs run on the pool.
pub(super) fn delay(size: u32) -> LoopDelay {
    let pool = pool();
    event_loop().block_on(async {
        // Starts the threads before the measurement.
        for _ in 0..THREADS {
            submit(&pool, 1).await;
        }
        let start = Instant::now();
        let mut monitor = LagMonitor::new(TICK_INTERVAL, start.elapsed());
        let mut work: FuturesUnordered<_> = (0..THREADS).map(|_| submit(&pool, size)).collect();
        loop {
            let due = tokio::time::Instant::from_std(start + monitor.next_due());
            tokio::select! {
                biased;
                () = sleep_until(due) => {
                    monitor.beat(start.elapsed());
                }
                done = work.next() => if done.is_none() {
                    break;
                },
            }
        }
        let ms = |duration: Duration| duration.as_secs_f64() * 1e3;
        LoopDelay {
            p50: ms(monitor.p50()),
            p99: ms(monitor.p99()),
            max: ms(monitor.max()),
        }
    })
}

/// Returns the throughput of one event loop that submits and awaits jobs, in jobs per
/// second.
pub(super) fn small_task_rate(size: u32) -> f64 {
    let pool = pool();
    event_loop().block_on(async {
        measure_rate(&pool, size, WARM_UP).await;
        measure_rate(&pool, size, TURN).await
    })
}

async fn measure_rate(pool: &Pool, size: u32, turn: Duration) -> f64 {
    let start = Instant::now();
    let mut done = 0_u64;
    let mut work: FuturesUnordered<_> = (0..TASKS_IN_FLIGHT).map(|_| submit(pool, size)).collect();
    while work.next().await.is_some() {
        done += 1;
        if start.elapsed() < turn {
            work.push(submit(pool, size));
        }
    }
    done as f64 / start.elapsed().as_secs_f64()
}

async fn submit(pool: &Pool, size: u32) -> u64 {
    let ticket = pool.try_run(move |_| fib(size));
    let ticket = ticket.expect("the pool rejected a job");
    ticket.await.expect("the job panicked")
}

/// The job of `tests/node/bench-pool.mjs`.
fn fib(index: u32) -> u64 {
    if index < 2 {
        return u64::from(index);
    }
    fib(index - 1) + fib(index - 2)
}

fn pool() -> Pool {
    let threads = rayon::ThreadPoolBuilder::new().num_threads(THREADS);
    let threads = threads.build().expect("cannot create threads");
    let options = PoolOptions::new(THREADS).waiting(TASKS_IN_FLIGHT);
    Pool::new(options, move |work| threads.spawn(|| work.run()))
}

/// Returns a single-threaded event loop, as in a server.
fn event_loop() -> Runtime {
    let mut builder = Builder::new_current_thread();
    builder
        .enable_time()
        .build()
        .expect("cannot create an event loop")
}
