//! Threads for the tests of a file, which share one instance, and so one pool.

/// How many there are.
#[allow(dead_code, reason = "not every file looks at it in every build")]
pub(crate) const THREADS: u32 = 3;

/// Starts them, as `www/worker.js` does for the page; a second time does nothing.
/// In the single-threaded build there are none.
#[cfg(feature = "threads")]
pub(crate) async fn start() {
    use std::sync::atomic::{AtomicBool, Ordering};

    static IS_STARTED: AtomicBool = AtomicBool::new(false);
    if !IS_STARTED.swap(true, Ordering::Relaxed) {
        let pool = highwater_web::init_thread_pool(THREADS as usize);
        wasm_bindgen_futures::JsFuture::from(pool).await.unwrap();
        highwater_web::check_threads();
    }
}

/// As in the threaded build, where there are some.
#[cfg(not(feature = "threads"))]
pub(crate) fn start() -> std::future::Ready<()> {
    std::future::ready(())
}
