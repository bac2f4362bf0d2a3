//! The scenario `cluster` with a million users, simulated in this process.

use std::time::Instant;

use anyhow::{Context as _, Result};
use highwater::platform::VirtualTime;
use highwater::scenario::{self, TRACE_CAPACITY};
use highwater::trace::{RecordKind, Recorder};

/// The parameters that differ from the defaults. The test `page` uses the same.
pub(super) const SETTINGS: [(&str, &str); 3] =
    [("users", "1000000"), ("workers", "8"), ("event", "reload")];

/// The result of one simulation.
#[derive(Clone, Copy)]
pub(super) struct ClusterRun {
    pub(super) seconds: f64,
    pub(super) simulated_seconds: f64,
    pub(super) requests: f64,
}

pub(super) fn run() -> Result<ClusterRun> {
    let mut experiment = scenario::find("cluster")?.experiment();
    for (key, value) in SETTINGS {
        experiment.set(key, value)?;
    }
    let world = VirtualTime::new();
    let recorder = Recorder::new(world.timer(), TRACE_CAPACITY);
    let began = Instant::now();
    experiment.simulate_in(&world, &recorder)?;
    let seconds = began.elapsed().as_secs_f64();
    let batch = recorder.drain();
    let requests = batch.events.iter().rev();
    let mut requests = requests.filter(|it| it.kind == RecordKind::Request);
    let last = requests.next().context("the run has no requests")?;
    Ok(ClusterRun {
        seconds,
        simulated_seconds: world.now().as_secs_f64(),
        requests: last.counters.started as f64,
    })
}
