//! The compute port: thread pools of the operating system, and jobs that block the loop.

#[cfg(test)]
mod tests;

use crate::platform::Stop;
use highwater::{
    platform::{Compute, Executor, QueuedJob},
    scale::Job,
};
use rayon::{ThreadPool, ThreadPoolBuilder};
use std::{cell::Cell, sync::Arc, thread};

/// Starts one rayon pool per request.
#[derive(Debug)]
pub(crate) struct NativeCompute {
    stop: Arc<Stop>,
    started: Cell<u32>,
}

impl NativeCompute {
    /// Creates the port. `stop` interrupts jobs that block the loop.
    pub(crate) fn new(stop: Arc<Stop>) -> Self {
        NativeCompute {
            stop,
            started: Cell::new(0),
        }
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
                let first = self.started.get() + 1;
                let count = u32::try_from(threads).unwrap_or(u32::MAX);
                self.started.set(self.started.get().saturating_add(count));
                return Arc::new(Threads { pool, first });
            }
            // The system has too few threads: try with half as many.
            threads /= 2;
        }
        Arc::new(NoThreads)
    }

    fn run_on_loop(&self, job: Job) -> u64 {
        // A stopped run does not use the result.
        let result = job.run_until(|| self.stop.is_requested());
        result.unwrap_or_default()
    }
}

struct Threads {
    pool: ThreadPool,
    /// The number of the pool's first thread in the trace, unique in the run.
    first: u32,
}

impl Executor for Threads {
    fn threads(&self) -> usize {
        self.pool.current_num_threads()
    }

    fn is_off_loop(&self) -> bool {
        true
    }

    fn execute(&self, job: QueuedJob) {
        let first = self.first;
        self.pool.spawn(move || {
            let index = rayon::current_thread_index().unwrap_or(0);
            job.run(first + u32::try_from(index).unwrap_or(0));
        });
    }
}

/// Runs jobs on the loop, because the system has no threads left.
struct NoThreads;

impl Executor for NoThreads {
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
