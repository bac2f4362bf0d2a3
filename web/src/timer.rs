//! The tab's clock and timer: `performance.now` and `setTimeout`.

use futures::{FutureExt, channel::oneshot, future::BoxFuture};
use highwater::platform::{Clock, Timer};
use js_sys::Function;
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use wasm_bindgen::prelude::*;

// Globals in windows and Workers; `web_sys::window()` is `None` in a Worker.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, delay_ms: f64) -> JsValue;

    #[wasm_bindgen(thread_local_v2, js_namespace = performance, js_name = timeOrigin)]
    static TIME_ORIGIN_MS: JsValue;
}

/// Returns the time on a clock that all Workers of the page share. `performance.now`
/// alone counts from the start of each Worker.
fn shared_now_ms() -> f64 {
    let origin_ms = TIME_ORIGIN_MS.with(JsValue::as_f64);
    origin_ms.unwrap_or(0.0) + performance_now()
}

/// A clock that starts when it is created.
pub(crate) struct TabTimer {
    origin_ms: f64,
    /// The latest time returned, in nanoseconds. The clocks of two threads differ
    /// slightly, and time must not go back.
    latest: AtomicU64,
}

impl TabTimer {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(TabTimer {
            origin_ms: shared_now_ms(),
            latest: AtomicU64::new(0),
        })
    }
}

impl Clock for TabTimer {
    fn now(&self) -> Duration {
        let since_ms = (shared_now_ms() - self.origin_ms).max(0.0);
        // Nanoseconds are precise enough: the browser's resolution is 5 µs or coarser.
        let now = Duration::from_secs_f64(since_ms / 1000.0);
        let nanoseconds = u64::try_from(now.as_nanos()).unwrap_or(u64::MAX);
        let before = self.latest.fetch_max(nanoseconds, Ordering::Relaxed);
        Duration::from_nanos(nanoseconds.max(before))
    }
}

impl Timer for TabTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        timeout(duration.as_secs_f64() * 1000.0)
    }

    /// Spins, because a tab has no other way to block its loop. It is called only in a
    /// Worker, so the page stays responsive.
    fn block(&self, duration: Duration) {
        let end = self.now() + duration;
        while self.now() < end {
            std::hint::spin_loop();
        }
    }
}

fn timeout(delay_ms: f64) -> BoxFuture<'static, ()> {
    let (sender, receiver) = oneshot::channel();
    let callback = Closure::once_into_js(move || {
        // Fails if the future was dropped.
        let _ = sender.send(());
    });
    set_timeout(callback.unchecked_ref(), delay_ms);
    receiver.map(|_| ()).boxed()
}

/// Completes after all tasks that are already due.
#[cfg(feature = "scaling")]
pub(crate) fn next_turn() -> BoxFuture<'static, ()> {
    timeout(0.0)
}
