//! What the scenarios about CPU work have in common: jobs of a kind and size,
//! names, what checks ask, figures.

mod figures;
mod narrate;
mod summary;

pub use figures::figures as scaling_figures;
pub(super) use figures::{dash, milliseconds};
pub(super) use narrate::narrate;
pub(super) use summary::{ScalingSummary, each_job_once, not_exercised, one_result};

use super::{Param, Values};
use crate::{
    platform::Threads,
    scale::Job,
    trace::{NameId, RecordKind, Recorder},
};

/// The names in the trace; threads have theirs from the port.
pub(super) const LOOP: &str = "Loop";
pub(super) const HEARTBEAT: &str = "Heartbeat";
pub(super) const REQUESTS: &str = "Requests";
pub(super) const POOL: &str = "Pool";

pub(super) const KIND: Param = Param::choice(
    "job",
    "RecordKind of job",
    "Counts primes, computes a Fibonacci number naively, a chain of SHA-256, or a tile of the Mandelbrot set.",
    &["primes", "fib", "hash", "mandelbrot"],
);

/// What makes a job of that kind.
pub(super) fn kind(params: &Values) -> fn(u32) -> Job {
    match params.choice("job") {
        "fib" => Job::Fib,
        "hash" => Job::HashChain,
        "mandelbrot" => Job::Mandelbrot,
        _ => Job::Primes,
    }
}

/// Records a job's result: `pool` came to it, at that job.
pub(super) fn record_result(job: Job, result: u64, pool: NameId, trace: &Recorder) {
    let job = trace.name(&job.to_string());
    trace.send(RecordKind::Result, pool, job, result);
}

/// Records how many threads there are; 0 where the loop is all there is.
pub(super) fn record_threads(threads: &Threads, pool: NameId, trace: &Recorder) {
    let count = if threads.is_off_loop() {
        threads.count() as u64
    } else {
        0
    };
    trace.instant(RecordKind::Threads, pool, count);
}
