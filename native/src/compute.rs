//! The compute port: native thread pools, and jobs that run on the event loop.

#[cfg(test)]
mod tests;

use crate::platform::Stop;
use highwater::platform::{Compute, Executor, Job, QueuedJob};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{sync::Arc, thread};

/// A compute port that starts one rayon pool per call.
#[derive(Debug)]
pub(crate) struct NativeCompute {
    stop: Arc<Stop>,
}

impl NativeCompute {
    /// Creates the port. `stop` interrupts jobs that block the loop.
    pub(crate) fn new(stop: Arc<Stop>) -> Self {
        NativeCompute { stop }
    }
}

impl Compute for NativeCompute {
    fn cores(&self) -> usize {
        thread::available_parallelism().map_or(1, usize::from)
    }

    fn start(&self, threads: usize) -> Arc<dyn Executor> {
        let mut threads = threads;
        while threads > 0 {
            let name = |index| format!("compute {index}");
            let builder = ThreadPoolBuilder::new()
                .num_threads(threads)
                .thread_name(name);
            if let Ok(pool) = builder.build() {
                return Arc::new(ThreadPoolExecutor { pool });
            }
            // The system cannot start that many threads: retry with half as many.
            threads /= 2;
        }
        Arc::new(LoopExecutor)
    }

    fn run_on_loop(&self, job: Job) -> u64 {
        // The result of a stopped run is not used.
        let result = job.run_until(|| self.stop.is_requested());
        result.unwrap_or_default()
    }
}

struct ThreadPoolExecutor {
    pool: ThreadPool,
}

impl Executor for ThreadPoolExecutor {
    fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    fn is_off_loop(&self) -> bool {
        true
    }

    fn execute(&self, job: QueuedJob) {
        self.pool.spawn(move || {
            let index = rayon::current_thread_index().unwrap_or(0);
            job.run(1 + u32::try_from(index).unwrap_or(0));
        });
    }
}

/// Runs jobs on the event loop if the system cannot start a thread.
struct LoopExecutor;

impl Executor for LoopExecutor {
    fn threads(&self) -> usize {
        1
    }

    fn is_off_loop(&self) -> bool {
        false
    }

    fn execute(&self, job: QueuedJob) {
        tokio::task::spawn_local(async {
            let mut next = Some(job);
            while let Some(job) = next {
                tokio::task::yield_now().await;
                next = job.run_one(0);
            }
        });
    }
}
