//! A listener with simulated work.

use crate::{
    platform::Timer,
    scenario::{Context, Values, load},
    trace::{NameId, RecordKind, Recorder, Span},
    workload::Times,
};
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// A named listener whose work takes time.
#[derive(Clone)]
pub(super) struct BusyListener {
    id: NameId,
    trace: Recorder,
    timer: Arc<dyn Timer>,
    params: Values,
    times: Arc<Mutex<Times>>,
}

/// An operational failure: expected, not a bug.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("no signal")]
pub(super) struct NoSignal {
    pub(super) reading: u64,
}

impl BusyListener {
    /// Creates a listener and records its start. `stream` selects its random stream.
    pub(super) fn start(context: &Context, name: &str, stream: u64) -> Self {
        let busy_listener = BusyListener::new(context, name, stream);
        busy_listener.record_start();
        busy_listener
    }

    /// Creates a listener whose start is recorded later.
    pub(super) fn new(context: &Context, name: &str, stream: u64) -> Self {
        BusyListener {
            id: context.trace.name(name),
            trace: context.trace.clone(),
            timer: context.platform.timer(),
            params: context.params.clone(),
            times: Arc::new(Mutex::new(load::work_times(context, stream))),
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

    /// Begins the span of a reading.
    pub(super) fn begin(&self, reading: u64) -> Span {
        self.trace.begin(RecordKind::Handle, self.id, reading)
    }

    /// Blocks the event loop for the duration of the work.
    pub(super) fn work(&self) {
        let mut times = self.times.lock().unwrap_or_else(PoisonError::into_inner);
        let took = times.next_time(self.params.millis("work"));
        drop(times);
        self.timer.block(took);
    }

    /// Handles a reading successfully.
    pub(super) fn handle(&self, reading: u64) {
        let span = self.begin(reading);
        self.work();
        span.succeed();
    }
}
