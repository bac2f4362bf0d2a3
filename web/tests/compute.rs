//! The tab's `Compute` port: Workers with shared memory in the threaded build, the
//! event loop in the single-threaded build.
#![cfg(target_arch = "wasm32")]

#[path = "../../core/tests/computing/mod.rs"]
mod computing;
mod pooled;

use highwater::{
    platform::{Clock, Job},
    trace::Recorder,
};
use highwater_web::tab;
use std::sync::Arc;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

fn recorder() -> (highwater::platform::Platform, Recorder) {
    let platform = tab();
    let clock: Arc<dyn Clock> = platform.timer();
    (platform, Recorder::new(clock, 4096))
}

#[wasm_bindgen_test]
async fn shared_checks_pass() {
    pooled::start().await;
    for (_, check) in computing::CHECKS {
        let (platform, trace) = recorder();
        check(platform, trace).await;
    }
}

#[wasm_bindgen_test]
async fn executor_reports_its_threads() {
    pooled::start().await;
    let (platform, trace) = recorder();
    let threads = platform.threads(100, 100);
    let expected = if cfg!(feature = "threads") {
        pooled::THREADS as usize
    } else {
        1
    };
    assert_eq!(threads.count(), expected);
    assert_eq!(threads.is_off_loop(), cfg!(feature = "threads"));
    let ticket = threads.try_compute(Job::Fib(20), &trace, 1).unwrap();
    assert_eq!(ticket.await, Ok(6_765));
    let events = trace.drain().events;
    let is_off_loop = |thread: u32| thread != 0;
    assert!(
        events
            .iter()
            .all(|it| is_off_loop(it.thread) == threads.is_off_loop())
    );
    // All threads share the clock of the loop.
    assert!(events.iter().all(|it| it.recorded_at() <= platform.now()));
    assert!(events.iter().all(|it| !it.at.is_zero()));
    assert!(platform.cores() >= 1);
}
