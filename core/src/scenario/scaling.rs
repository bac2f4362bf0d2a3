//! Shared parts of the CPU work scenarios: job kinds, names, summaries and figures.

mod figures;
mod format;
mod narrate;
mod summary;

pub use figures::figures as scaling_figures;
pub(super) use format::{dash, milliseconds};
pub(super) use narrate::narrate;
pub(super) use summary::{ScalingSummary, each_job_once, one_result};

use super::{Param, Values};
use crate::{
    platform::{Job, Threads},
    trace::{NameId, RecordKind, Recorder},
};

// Trace names of sources. The platform names the threads.
pub(super) const LOOP: &str = "Loop";
pub(super) const HEARTBEAT: &str = "Heartbeat";
pub(super) const REQUESTS: &str = "Requests";
pub(super) const POOL: &str = "Pool";

pub(super) const KIND: Param = Param::choice(
    "job",
    "Kind of job",
    "Counting primes, a naive Fibonacci number, a SHA-256 chain, or a Mandelbrot tile.",
    &["primes", "fib", "hash", "mandelbrot"],
);

/// Returns the constructor of the selected kind of job.
pub(super) fn kind(params: &Values) -> fn(u32) -> Job {
    match params.choice("job") {
        "fib" => Job::Fib,
        "hash" => Job::HashChain,
        "mandelbrot" => Job::Mandelbrot,
        _ => Job::Primes,
    }
}

/// Records a job's result under the source `pool`.
pub(super) fn record_result(job: Job, result: u64, pool: NameId, trace: &Recorder) {
    let job = trace.name(&job.to_string());
    trace.send(RecordKind::Result, pool, job, result);
}

/// Records the number of threads, or 0 if jobs run on the loop.
pub(super) fn record_threads(threads: &Threads, pool: NameId, trace: &Recorder) {
    let count = if threads.is_off_loop() {
        threads.count() as u64
    } else {
        0
    };
    trace.instant(RecordKind::Threads, pool, count);
}
