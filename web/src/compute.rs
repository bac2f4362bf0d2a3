//! The tab's `Compute` port: Workers that share this Worker's memory. Where the
//! browser does not allow shared memory, jobs run on the event loop.

use highwater::platform::{Compute, Executor, Job, QueuedJob};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_namespace = navigator, js_name = hardwareConcurrency)]
    static HARDWARE_CONCURRENCY: JsValue;
}

/// Runs jobs on the threads of the pool, or on the event loop if there is no pool.
pub(crate) struct TabCompute;

impl Compute for TabCompute {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a small whole number"
    )]
    fn cores(&self) -> usize {
        let cores = HARDWARE_CONCURRENCY.with(JsValue::as_f64);
        cores.map_or(1, |cores| (cores as usize).max(1))
    }

    #[cfg_attr(
        not(feature = "threads"),
        expect(unused_variables, reason = "this build has no threads")
    )]
    fn start(&self, threads: usize) -> Arc<dyn Executor> {
        #[cfg(feature = "threads")]
        if let Some(threads) = shared::Threads::from_pool(threads) {
            return Arc::new(threads);
        }
        Arc::new(LoopExecutor)
    }

    fn run_on_loop(&self, job: Job) -> u64 {
        job.run()
    }
}

/// Runs each job on this Worker's event loop, which it blocks.
struct LoopExecutor;

impl Executor for LoopExecutor {
    fn threads(&self) -> usize {
        1
    }

    fn is_off_loop(&self) -> bool {
        false
    }

    fn execute(&self, job: QueuedJob) {
        wasm_bindgen_futures::spawn_local(async {
            let mut next = Some(job);
            while let Some(job) = next {
                // Lets other tasks run between two jobs.
                crate::timer::next_turn().await;
                next = job.run_one(0);
            }
        });
    }
}

#[cfg(feature = "threads")]
mod shared {
    use super::{Executor, QueuedJob};
    use crate::pool;

    /// Some of the pool's threads. There is only one pool, because the page starts the
    /// threads before the run.
    pub(super) struct Threads {
        count: usize,
    }

    impl Threads {
        pub(super) fn from_pool(wanted: usize) -> Option<Self> {
            let count = pool::checked_threads().min(wanted);
            (count > 0).then_some(Threads { count })
        }
    }

    impl Executor for Threads {
        fn threads(&self) -> usize {
            self.count
        }

        fn is_off_loop(&self) -> bool {
            true
        }

        fn execute(&self, job: QueuedJob) {
            rayon::spawn(|| job.run(pool::thread_id()));
        }
    }
}
