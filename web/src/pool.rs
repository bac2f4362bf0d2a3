//! The thread pool: Workers that share one memory, started by wasm-bindgen-rayon.

use crate::{address::json, timer::TabTimer};
use highwater::trace::{RecordBatch, RecordKind, Recorder};
use serde::Serialize;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use wasm_bindgen::prelude::*;

/// Upper limit of the prime search. There are 17,984 primes below it.
const PRIME_LIMIT: u64 = 200_000;

/// The result of the pool check.
#[derive(Serialize)]
struct PoolCheck {
    /// Number of primes found by all threads.
    primes: usize,
    /// Thread ids in the trace.
    threads: Vec<u32>,
    /// One span per thread.
    trace: RecordBatch,
}

/// Checks the pool: every thread counts its share of the primes below 200,000 and
/// records a span. Returns the count, the thread ids and the trace as JSON.
///
/// Call it in a dedicated Worker after `initThreadPool`: it blocks until the threads
/// are done, which is not allowed on the page's own thread.
#[wasm_bindgen]
pub fn check_threads() -> String {
    let recorder = Recorder::new(TabTimer::start(), 1024);
    let pool = recorder.name("Pool");
    let found = rayon::broadcast(|context| {
        let share = context.index() as u64;
        let recorder = recorder.on_thread(thread_id());
        let span = recorder.begin(RecordKind::Compute, pool, share);
        let found = (share..PRIME_LIMIT)
            .step_by(context.num_threads())
            .filter(|n| is_prime(*n))
            .count();
        span.succeed();
        found
    });
    CHECKED_THREADS.store(found.len(), Ordering::Relaxed);
    let trace = recorder.drain();
    let mut threads: Vec<u32> = trace.events.iter().map(|event| event.thread).collect();
    threads.sort_unstable();
    threads.dedup();
    json(&PoolCheck {
        primes: found.into_iter().sum(),
        threads,
        trace,
    })
}

/// Returns the number of checked threads; 0 before the check.
#[cfg(feature = "scaling")]
pub(crate) fn checked_threads() -> usize {
    CHECKED_THREADS.load(Ordering::Relaxed)
}

static CHECKED_THREADS: AtomicUsize = AtomicUsize::new(0);

/// Returns this thread's id, assigned on the first call. Ids start at 1; 0 is the
/// loop.
pub(crate) fn thread_id() -> u32 {
    static NEXT_ID: AtomicU32 = AtomicU32::new(1);
    thread_local! {
        static ID: u32 = NEXT_ID.fetch_add(1, Ordering::Relaxed);
    }
    ID.with(|id| *id)
}

/// Uses trial division, because the job should take a while.
fn is_prime(n: u64) -> bool {
    n >= 2 && (2..=n.isqrt()).all(|divisor| !n.is_multiple_of(divisor))
}
