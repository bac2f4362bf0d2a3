//! The subject. It announces readings and does not depend on its listeners.

use super::names::{EMITTER, SENSOR};
use crate::{
    events::{Emitter, FailurePolicy, Notice, Options, Removal},
    scenario::Context,
    trace::{NameId, RecordKind, Recorder},
};
use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// The event: a reading.
pub(super) struct SensorReading {
    /// The number among all readings, from 1.
    pub(super) number: u64,
    /// The number among scheduled readings; `None` if a listener requested this one.
    pub(super) ordinal: Option<u64>,
}

/// A sensor with an emitter.
pub(super) struct Sensor {
    id: NameId,
    emitter_id: NameId,
    emitter: Emitter<SensorReading>,
    trace: Recorder,
    announced: AtomicU64,
}

impl Sensor {
    pub(super) fn start(context: &Context) -> Arc<Self> {
        let trace = &context.trace;
        let (id, emitter_id) = (trace.name(SENSOR), trace.name(EMITTER));
        trace.instant(RecordKind::Start, id, 0);
        trace.send(RecordKind::Depend, id, emitter_id, 0);
        let emitter = Emitter::with_options(options(context, emitter_id));
        let record = trace.clone();
        let monitor = emitter.monitor(move |reading: &SensorReading, notice| {
            if let Notice::Delivering { listener, .. } = notice {
                let to = record.name(&listener.name);
                record.send(RecordKind::Deliver, emitter_id, to, reading.number);
            }
        });
        monitor.detach();
        Arc::new(Sensor {
            id,
            emitter_id,
            emitter,
            trace: trace.clone(),
            announced: AtomicU64::new(0),
        })
    }

    pub(super) fn id(&self) -> NameId {
        self.id
    }

    pub(super) fn emitter_id(&self) -> NameId {
        self.emitter_id
    }

    pub(super) fn emitter(&self) -> &Emitter<SensorReading> {
        &self.emitter
    }

    /// Emits the next reading, scheduled for `due`, and records the result.
    pub(super) fn announce(&self, ordinal: Option<u64>, due: Duration) {
        let number = self.announced.fetch_add(1, Ordering::Relaxed) + 1;
        let announcing = self
            .trace
            .begin_at(due, RecordKind::Request, self.id, number);
        self.trace
            .send(RecordKind::Emit, self.id, self.emitter_id, number);
        match self.emitter.emit(&SensorReading { number, ordinal }) {
            Ok(_) => announcing.succeed(),
            Err(error) => announcing.fail(&error.to_string()),
        }
    }
}

fn options(context: &Context, emitter_id: NameId) -> Options {
    let params = &context.params;
    let trace = context.trace.clone();
    let policy = match params.choice("policy") {
        "fail-fast" => FailurePolicy::FailFast,
        _ => FailurePolicy::Isolate,
    };
    let removal = match params.choice("removal") {
        "live" => Removal::Live,
        _ => Removal::Snapshot,
    };
    Options::new()
        .policy(policy)
        .removal(removal)
        .clock(context.platform.timer())
        .on_leak(move |leak| {
            let (warning, count) = (trace.name(&leak.to_string()), leak.listeners.len());
            trace.send(RecordKind::Leak, emitter_id, warning, count as u64);
        })
}
