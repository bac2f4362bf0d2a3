//! The timers of a simulated event loop.

use super::schedule::SharedClock;
#[cfg(feature = "compute")]
use super::threads::SharedCores;
use crate::{
    Clock,
    latency::nanos,
    platform::{Timer, sleep::SimulatedSleep},
};
use futures_util::future::BoxFuture;
use std::{sync::Arc, time::Duration};

/// The clock and timer of an event loop.
pub(super) struct VirtualTimer {
    pub(super) clock: Arc<SharedClock>,
    #[cfg(feature = "compute")]
    pub(super) cores: Arc<SharedCores>,
}

impl Clock for VirtualTimer {
    fn now(&self) -> Duration {
        self.clock.now_duration()
    }
}

impl Timer for VirtualTimer {
    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        let key = self.clock.timer_key(duration);
        Box::pin(SimulatedSleep::new(key, Arc::clone(&self.clock)))
    }

    fn block(&self, duration: Duration) {
        let until = self.clock.now().saturating_add(nanos(duration));
        // Threads keep running while the loop is blocked.
        #[cfg(feature = "compute")]
        self.cores.run_until(Duration::from_nanos(until));
        self.clock.advance_to(until);
    }
}
