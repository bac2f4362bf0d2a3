//! The cluster with a million users, simulated in this process.

use std::time::Instant;

use anyhow::{Context as _, Result};
use highwater::platform::VirtualTime;
use highwater::scenario::{self, TRACE_CAPACITY};
use highwater::trace::Recorder;

use crate::million_users::{ClusterRun, SETTINGS, count_requests};

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
    let requests = count_requests(&recorder.drain().events);
    Ok(ClusterRun {
        seconds,
        simulated_seconds: world.now().as_secs_f64(),
        requests: requests.context("the run has no requests")?,
    })
}
