//! Serving without a supervisor, on systems where a socket cannot be inherited. This
//! process is the only worker and exits after a bug.

use super::{
    config::{ClusterConfig, Content},
    metrics::{self, Meter},
    routes::PageConfig,
    service::FailingWorkers,
    turns::Turns,
    worker::{Phase, Worker, WorkerContext, advance},
};
use crate::{
    error::Error,
    interrupt::{Signal, interrupted},
};
use std::{process::ExitCode, sync::Arc};
use tokio::sync::watch;

/// The signal that stops the server: Ctrl-C.
pub(super) struct Signals;

impl Signals {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Signals)
    }

    pub(super) async fn stop(&mut self) -> Signal {
        interrupted().await
    }
}

/// Serves until Ctrl-C. `on_ready` is called once, before the first connection.
///
/// # Errors
///
/// [`Error::NeedsUnix`] if the configuration requests several workers.
pub(super) async fn supervise(
    config: ClusterConfig,
    mut signals: Signals,
    on_ready: impl FnOnce() -> Result<(), Error>,
) -> Result<ExitCode, Error> {
    if config.workers > 1 || config.json {
        return Err(Error::NeedsUnix("serve --workers"));
    }
    let Content::Page { www, faults, hosts } = config.content;
    let phase = Arc::new(watch::Sender::new(Phase::Serving));
    let served = super::worker::WorkerContent::Page(PageConfig {
        www: &www,
        faults,
        hosts: &hosts,
    });
    let meter = Arc::new(Meter::default());
    let scrape = metrics::scrape_single_worker(&meter);
    let context = WorkerContext {
        meter,
        scrape,
        failing: FailingWorkers::default(),
        phase: Arc::clone(&phase),
    };
    let worker = Worker::new(served, context, {
        let phase = Arc::clone(&phase);
        // There is no supervisor to replace this worker.
        move || drop(advance(&phase, Phase::Draining))
    });
    let stop_on_signal = async {
        signals.stop().await;
        advance(&phase, Phase::Stopping);
        std::future::pending::<()>().await;
    };
    on_ready()?;
    tokio::select! {
        code = worker.serve(config.listener, Turns::unshared()) => code.map_err(Error::Runtime),
        () = stop_on_signal => Ok(ExitCode::SUCCESS),
    }
}
