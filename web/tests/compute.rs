//! Threads in the tab: Workers that share a memory in the threaded build, and the
//! loop alone in the other.
#![cfg(target_arch = "wasm32")]

#[path = "../../core/tests/computing/mod.rs"]
mod computing;

use highwater::{platform::Clock, scale::Job, trace::Recorder};
use highwater_web::tab;
use std::sync::Arc;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_dedicated_worker);

const THREADS: usize = 3;

/// Starts the pool, as the page does; there is one for all of these tests.
#[cfg(feature = "threads")]
async fn start_pool() {
    use std::sync::atomic::{AtomicBool, Ordering};

    static IS_STARTED: AtomicBool = AtomicBool::new(false);
    if !IS_STARTED.swap(true, Ordering::Relaxed) {
        let pool = highwater_web::init_thread_pool(THREADS);
        wasm_bindgen_futures::JsFuture::from(pool).await.unwrap();
        highwater_web::prove_threads();
    }
}

#[cfg(not(feature = "threads"))]
async fn start_pool() {}

fn recorder() -> (highwater::platform::Platform, Recorder) {
    let platform = tab();
    let clock: Arc<dyn Clock> = platform.timer();
    (platform, Recorder::new(clock, 4096))
}

#[wasm_bindgen_test]
async fn what_holds_in_every_world_holds_here() {
    start_pool().await;
    for (_, check) in computing::CHECKS {
        let (platform, trace) = recorder();
        check(platform, trace).await;
    }
}

#[wasm_bindgen_test]
async fn it_says_whether_there_are_threads() {
    start_pool().await;
    let (platform, trace) = recorder();
    let threads = platform.threads(100, 100);
    let expected = if cfg!(feature = "threads") {
        THREADS
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
    // Another thread's clock is that of the loop.
    assert!(events.iter().all(|it| it.recorded_at() <= platform.now()));
    assert!(events.iter().all(|it| !it.at.is_zero()));
    assert!(platform.cores() >= 1);
}
