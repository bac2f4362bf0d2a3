//! The time in a tab.

use highwater::Clock;
use std::{sync::Arc, time::Duration};
use wasm_bindgen::prelude::*;

// A global of windows and Workers alike.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;
}

/// The time since this was made.
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
