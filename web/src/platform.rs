//! The tab's ports: `performance.now`, `setTimeout`, and the event loop of the
//! window or Worker that runs this.

use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, LocalBoxFuture},
};
use highwater::platform::{Clock, Platform, Spawn, Timer};
use js_sys::Function;
use std::{rc::Rc, sync::Arc, time::Duration};
use wasm_bindgen::prelude::*;

// Globals of windows and Workers alike; `web_sys::window()` is none in a Worker.
#[wasm_bindgen]
extern "C" {
    #[wasm_bindgen(js_namespace = performance, js_name = now)]
    fn performance_now() -> f64;

    #[wasm_bindgen(js_name = setTimeout)]
    fn set_timeout(callback: &Function, delay_ms: f64) -> JsValue;
}

/// The time since this was made.
pub(crate) struct TabTimer {
    origin_ms: f64,
}

impl TabTimer {
    pub(crate) fn start() -> Arc<Self> {
        Arc::new(TabTimer {
            origin_ms: performance_now(),
        })
    }
}

impl Clock for TabTimer {
    fn now(&self) -> Duration {
        // Whole nanoseconds: the browser's own resolution is 5 µs or coarser.
        Duration::from_secs_f64((performance_now() - self.origin_ms).max(0.0) / 1000.0)
    }
}

impl Timer for TabTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let (sender, receiver) = oneshot::channel();
        let callback = Closure::once_into_js(move || {
            // Nobody waits any more if the future was dropped.
            let _ = sender.send(());
        });
        set_timeout(callback.unchecked_ref(), duration.as_secs_f64() * 1000.0);
        receiver.map(|_| ()).boxed()
    }

    /// Spins, since a tab has no other way to hold its loop. Only ever called
    /// in a Worker: the page itself stays responsive.
    fn block(&self, duration: Duration) {
        let end = self.now() + duration;
        while self.now() < end {
            std::hint::spin_loop();
        }
    }
}

struct TabSpawn;

impl Spawn for TabSpawn {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        wasm_bindgen_futures::spawn_local(task);
    }
}

/// The ports of this Worker, whose time begins now: for tests that run no
/// scenario.
#[cfg(feature = "processes")]
pub fn tab() -> Platform {
    platform(TabTimer::start())
}

/// The ports of this window or Worker.
pub(crate) fn platform(timer: Arc<TabTimer>) -> Platform {
    let platform = core(timer);
    #[cfg(feature = "processes")]
    let platform = platform.with_processes(Rc::new(crate::processes::TabProcesses));
    platform
}

/// The same without processes: what a process has.
pub(crate) fn core(timer: Arc<TabTimer>) -> Platform {
    Platform::new(timer, Rc::new(TabSpawn))
}
