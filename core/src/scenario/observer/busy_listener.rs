//! A listener with work to do.

use crate::{
    platform::{Random, Timer},
    scenario::{Context, Values},
    trace::{NameId, RecordKind, Recorder, Span},
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// What each listener has: a name, and work that takes a while.
#[derive(Clone)]
pub(super) struct BusyListener {
    id: NameId,
    trace: Recorder,
    timer: Arc<dyn Timer>,
    params: Values,
    draws: Arc<Mutex<Random>>,
}

/// An operational failure: expected, and no bug.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no signal")]
pub(super) struct NoSignal {
    pub(super) reading: u64,
}

impl BusyListener {
    /// One that starts now. `stream` is the number of its random draws.
    pub(super) fn start(context: &Context, name: &str, stream: u64) -> Self {
        let busy_listener = BusyListener::new(context, name, stream);
        busy_listener.record_start();
        busy_listener
    }

    /// One that starts later.
    pub(super) fn new(context: &Context, name: &str, stream: u64) -> Self {
        BusyListener {
            id: context.trace.name(name),
            trace: context.trace.clone(),
            timer: context.platform.timer(),
            params: context.params.clone(),
            draws: Arc::new(Mutex::new(context.seed.stream(stream))),
        }
    }

    pub(super) fn record_start(&self) {
        self.trace.instant(RecordKind::Start, self.id, 0);
    }

    pub(super) fn id(&self) -> NameId {
        self.id
    }

    pub(super) fn now(&self) -> Duration {
        self.timer.now()
    }

    /// Begins to work on a reading.
    pub(super) fn begin(&self, reading: u64) -> Span {
        self.trace.begin(RecordKind::Handle, self.id, reading)
    }

    /// Holds the loop for as long as its work takes.
    pub(super) fn work(&self) {
        let mut draws = self.draws.lock().unwrap_or_else(PoisonError::into_inner);
        let took = draws.jitter(self.params.millis("work"), 20);
        drop(draws);
        self.timer.block(took);
    }

    /// All there is to do, for those with nothing special about them.
    pub(super) fn handle(&self, reading: u64) {
        let span = self.begin(reading);
        self.work();
        span.succeed();
    }
}
