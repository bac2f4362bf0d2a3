//! The tab's ports: its timer, the event loop of this window or Worker, and Workers.

use crate::{processes::TabProcesses, timer::TabTimer};
use futures::future::LocalBoxFuture;
use highwater::platform::{Platform, Spawn};
use std::{rc::Rc, sync::Arc};

struct TabSpawn;

impl Spawn for TabSpawn {
    fn spawn_local(&self, task: LocalBoxFuture<'static, ()>) {
        wasm_bindgen_futures::spawn_local(task);
    }
}

/// Returns the ports of this Worker with a clock that starts now, for tests without a
/// scenario.
pub fn tab() -> Platform {
    platform(TabTimer::start())
}

/// Returns the ports of this window or Worker.
pub(crate) fn platform(timer: Arc<TabTimer>) -> Platform {
    core(timer).with_processes(Rc::new(TabProcesses))
}

/// Returns the ports of a process, which cannot start processes.
pub(crate) fn core(timer: Arc<TabTimer>) -> Platform {
    let platform = Platform::new(timer, Rc::new(TabSpawn));
    #[cfg(feature = "scaling")]
    let platform = platform.with_compute(Rc::new(crate::compute::TabCompute));
    platform
}
