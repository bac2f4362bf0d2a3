//! Threads in the tab: Workers that share this one's memory, where the page may
//! have that. Where not, the loop does what there is to do, and says so.

use highwater::{
    platform::{Compute, Executor, QueuedJob},
    scale::Job,
};
use std::sync::Arc;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(thread_local_v2, js_namespace = navigator, js_name = hardwareConcurrency)]
    static HARDWARE_CONCURRENCY: JsValue;
}

/// Computes with the threads of this build's pool, or with none.
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
        expect(unused_variables, reason = "there are none")
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

/// No threads: this Worker's loop, which is held by each job.
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
                // Whatever else is due has a turn between two jobs.
                crate::platform::next_turn().await;
                next = job.run_one(0);
            }
        });
    }
}

#[cfg(feature = "threads")]
mod shared {
    use super::{Executor, QueuedJob};
    use crate::pool;

    /// Some of the pool's threads. There is one pool, since its threads are
    /// started by the page, before the run.
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
