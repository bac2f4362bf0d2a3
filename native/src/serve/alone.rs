//! Serving without a supervisor: where there is no socket to hand on, this process
//! serves itself, and a bug ends it.

use super::{
    Hosts,
    metrics::{self, Meter},
    routes::Site,
    service::FailingWorkers,
    turns::Turns,
    worker::{Links, Phase, Worker, advance},
};
use crate::{
    error::Error,
    interrupt::{Signal, interrupted},
};
use std::{net, path::PathBuf, process::ExitCode, sync::Arc};
use tokio::sync::watch;

/// What is to be served, and by how many.
pub(super) struct Plan {
    pub(super) listener: net::TcpListener,
    pub(super) content: Content,
    pub(super) workers: usize,
    pub(super) json: bool,
}

/// What is served.
pub(super) enum Content {
    /// The page and its API.
    Page {
        www: PathBuf,
        faults: bool,
        hosts: Hosts,
    },
}

/// Ctrl-C.
pub(super) struct Signals;

impl Signals {
    pub(super) fn new() -> Result<Self, Error> {
        Ok(Signals)
    }

    pub(super) async fn stop(&mut self) -> Signal {
        interrupted().await
    }
}

/// Serves until it is asked to end.
///
/// # Errors
///
/// [`Error::NeedsUnix`] if several workers are wanted.
pub(super) async fn supervise(
    plan: Plan,
    mut signals: Signals,
    is_served: impl FnOnce() -> Result<(), Error>,
) -> Result<ExitCode, Error> {
    if plan.workers > 1 || plan.json {
        return Err(Error::NeedsUnix("serve --workers"));
    }
    let Content::Page { www, faults, hosts } = plan.content;
    let phase = Arc::new(watch::Sender::new(Phase::Serves));
    let content = super::worker::Content::Page(Site {
        www: &www,
        faults,
        hosts: &hosts,
    });
    let meter = Arc::new(Meter::default());
    let scrape = metrics::of_one(&meter);
    let links = Links {
        meter,
        scrape,
        failing: FailingWorkers::default(),
        phase: Arc::clone(&phase),
    };
    let worker = Worker::new(content, links, {
        let phase = Arc::clone(&phase);
        // Nobody replaces it.
        move || drop(advance(&phase, Phase::Drains))
    });
    let stopped = async {
        signals.stop().await;
        advance(&phase, Phase::Ends);
        std::future::pending::<()>().await;
    };
    is_served()?;
    tokio::select! {
        code = worker.serve(plan.listener, Turns::alone()) => code.map_err(Error::Runtime),
        () = stopped => Ok(ExitCode::SUCCESS),
    }
}
