//! Threads: Workers that share one memory, started by wasm-bindgen-rayon.

use crate::{address::json, platform::TabTimer};
use highwater::trace::{RecordBatch, RecordKind, Recorder};
use serde::Serialize;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use wasm_bindgen::prelude::*;

/// What the job below counts: there are 17,984 primes below this.
const LIMIT: u64 = 200_000;

/// What the threads of the pool did.
#[derive(Serialize)]
struct PoolCheck {
    /// How many primes they found together.
    primes: usize,
    /// The ids of the threads in the trace.
    threads: Vec<u32>,
    /// What they recorded: one span a thread.
    trace: RecordBatch,
}

/// Has every thread of the pool count its share of the primes below 200,000
/// and record that it did; answers the count, the ids of the threads in the
/// trace and the trace itself, as JSON.
///
/// Call it in a dedicated Worker, after `initThreadPool`: it waits for the
/// threads, and a page may not wait.
#[wasm_bindgen]
pub fn check_threads() -> String {
    let recorder = Recorder::new(TabTimer::start(), 1024);
    let pool = recorder.name("Pool");
    let found = rayon::broadcast(|context| {
        let share = context.index() as u64;
        let recorder = recorder.on_thread(thread_id());
        let span = recorder.begin(RecordKind::Compute, pool, share);
        let found = (share..LIMIT)
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

/// How many threads have proved themselves; 0 before they did.
#[cfg(feature = "compute")]
pub(crate) fn checked_threads() -> usize {
    CHECKED_THREADS.load(Ordering::Relaxed)
}

static CHECKED_THREADS: AtomicUsize = AtomicUsize::new(0);

/// This thread's number, from 1: the loop's is 0. Each thread draws its own
/// when it first asks.
pub(crate) fn thread_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(1);
    thread_local! {
        static ID: u32 = NEXT.fetch_add(1, Ordering::Relaxed);
    }
    ID.with(|id| *id)
}

/// By trial division: it has to take a while.
fn is_prime(n: u64) -> bool {
    n >= 2 && (2..=n.isqrt()).all(|divisor| !n.is_multiple_of(divisor))
}
