//! The thread pool of a test file, whose tests share one instance.

/// Number of threads.
#[allow(dead_code, reason = "not used by every test file in every build")]
pub(crate) const THREADS: u32 = 3;

/// Starts the threads once, like `www/worker.js`. The single-threaded build has none.
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

/// Does nothing in the single-threaded build.
#[cfg(not(feature = "threads"))]
pub(crate) fn start() -> std::future::Ready<()> {
    std::future::ready(())
}
