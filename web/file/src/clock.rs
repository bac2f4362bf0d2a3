//! The tab's clock, and yielding to its event loop.

use highwater::Clock;
use js_sys::{Function, Promise};
use std::{sync::Arc, time::Duration};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

// Globals in windows and Workers.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function) -> JsValue;
}

/// Yields to the event loop, which handles messages and timers.
///
/// The browser's streams return promises, and a chain of promises blocks all other
/// events.
pub(crate) async fn yield_to_loop() {
    let promise = Promise::new(&mut |resolve, _reject| {
        set_timeout(&resolve);
    });
    // The promise never rejects.
    let _resolved = JsFuture::from(promise).await;
}

/// A clock that starts when it is created.
pub(crate) struct TabClock {
    origin_ms: f64,
}

impl TabClock {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(TabClock {
            origin_ms: performance_now(),
        })
    }
}

impl Clock for TabClock {
    fn now(&self) -> Duration {
        Duration::from_secs_f64((performance_now() - self.origin_ms).max(0.0) / 1000.0)
    }
}
