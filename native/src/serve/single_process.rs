//! Serving without a supervisor, on systems where a socket cannot be inherited. This
//! process is the only worker and exits after a bug.

use super::{
    endpoints::{EndpointState, FailingWorkers},
    metrics::Meter,
    turns::Turns,
    worker::{HttpService, Phase, Worker, WorkerContext, advance},
};
use crate::{
    error::Error,
    interrupt::{Signal, interrupted},
};
use highwater::error::http::HandlerLayer;
use std::{net::TcpListener, process::ExitCode, sync::Arc};
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

/// Serves until Ctrl-C. `service` creates the service, whose errors go to the given layer.
/// `on_ready` is called once, before the first connection.
///
/// # Errors
///
/// If `on_ready` fails, or the listener cannot be registered.
pub(super) async fn serve<S: HttpService>(
    listener: TcpListener,
    mut signals: Signals,
    service: impl FnOnce(EndpointState, HandlerLayer) -> S,
    on_ready: impl FnOnce() -> Result<(), Error>,
) -> Result<ExitCode, Error> {
    let phase = Arc::new(watch::Sender::new(Phase::Serving));
    let meter = Arc::<Meter>::default();
    let context = WorkerContext {
        scrape: meter.scraper(),
        meter,
        failing: FailingWorkers::default(),
        phase: Arc::clone(&phase),
    };
    let on_bug = {
        let phase = Arc::clone(&phase);
        // There is no supervisor to replace this worker.
        move || {
            advance(&phase, Phase::Draining);
        }
    };
    let worker = Worker::new(context, on_bug, service);
    let stop_on_signal = async {
        signals.stop().await;
        advance(&phase, Phase::Stopping);
        std::future::pending::<()>().await;
    };
    on_ready()?;
    tokio::select! {
        code = worker.serve(listener, Turns::unshared()) => code.map_err(Error::Runtime),
        () = stop_on_signal => Ok(ExitCode::SUCCESS),
    }
}
