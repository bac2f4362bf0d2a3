//! A worker, which serves connections until it is stopped or hits a bug.

mod accept;
mod activity;
mod connection;
mod connection_limit;
mod limits;
mod malformed;
mod request_tracking;
mod socket;
#[cfg(test)]
mod tests;

pub(super) use activity::ConnectionTimeout;
pub(super) use limits::Limits;
#[cfg(unix)]
pub(super) use limits::raise_open_files;

use super::{
    api, errors,
    metrics::{Meter, ScrapeWorkers},
    routes::{PageConfig, router},
    service::{self, EndpointState, FailingWorkers, HandledService},
    turns::Turns,
};
use crate::logging;
use accept::{AcceptQueue, ListenerQueue, accept_all};
use axum::routing::RouterIntoService;
use connection_limit::ConnectionLimit;
use highwater::error::Handler;
use hyper::body::Incoming;
use malformed::MalformedRequests;
use request_tracking::HttpService;
use std::{
    io,
    net::TcpListener,
    process::{self, ExitCode},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// The exit code of a worker that had a bug: `EX_SOFTWARE` of `sysexits.h`.
pub(super) const EXIT_BUG: u8 = 70;

/// The time limit for clients to read their responses when a worker stops.
pub(super) const GRACE_PERIOD: Duration = Duration::from_secs(2);

/// The time limit for requests in flight when a worker is replaced. The replacement
/// serves new requests in the meantime.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// The phase of a worker. It only advances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// The worker accepts no more connections and finishes the open ones.
    Draining,
    /// Unfinished requests are aborted after a grace period.
    Stopping,
}

/// Advances to a phase. Returns false if the worker has already reached it.
pub(super) fn advance(phase: &watch::Sender<Phase>, to: Phase) -> bool {
    phase.send_if_modified(|phase| {
        let is_advance = *phase < to;
        *phase = to.max(*phase);
        is_advance
    })
}

/// Completes when the worker has reached the phase `to` or a later one.
pub(super) async fn phase_reached(mut phase: watch::Receiver<Phase>, to: Phase) {
    // An error means that the sender was dropped, which also stops the worker.
    let _ = phase.wait_for(|phase| *phase >= to).await;
}

/// The content that a worker serves.
#[derive(Clone, Copy, Debug)]
pub(super) enum WorkerContent<'a> {
    /// The page and its API.
    Page(PageConfig<'a>),
    /// The small service of `highwater cluster`, with deliberate faults if `faults` is set.
    Plain { faults: bool },
}

/// A worker that is ready to serve.
///
/// Everything that can fail or panic during start-up happens in [`Worker::new`]. Once it
/// returns, the worker can report that it is ready.
pub(super) struct Worker {
    service: ContentService,
    limits: Limits,
    meter: Arc<Meter>,
    phase: Arc<watch::Sender<Phase>>,
    has_bug: watch::Receiver<bool>,
    handler: Arc<Handler>,
}

/// The state that a worker shares with the code that runs it.
pub(super) struct WorkerContext {
    pub(super) meter: Arc<Meter>,
    /// Provides the metrics for `GET /metrics`.
    pub(super) scrape: ScrapeWorkers,
    /// The failing workers that `GET /readyz` reports.
    pub(super) failing: FailingWorkers,
    pub(super) phase: Arc<watch::Sender<Phase>>,
}

/// The parts of a worker that its connections need, except for the service.
struct ConnectionContext {
    limits: Limits,
    meter: Arc<Meter>,
    phase: Arc<watch::Sender<Phase>>,
    has_bug: watch::Receiver<bool>,
    malformed: MalformedRequests,
}

enum ContentService {
    Page(RouterIntoService<Incoming>),
    Plain(HandledService),
}

impl Worker {
    /// Creates a worker. Its phase controls when it drains and stops. `on_bug` is called
    /// after the first bug and decides whether to advance the phase.
    pub(super) fn new(
        served: WorkerContent<'_>,
        context: WorkerContext,
        on_bug: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let WorkerContext {
            meter,
            scrape,
            failing,
            phase,
        } = context;
        let limits = Limits::for_this_process();
        let (bug_sender, has_bug) = watch::channel(false);
        let handler = errors::handler();
        let layer = errors::layer(Arc::clone(&handler), move || {
            if !bug_sender.send_replace(true) {
                on_bug();
            }
        });
        let shared = EndpointState {
            limits,
            phase: phase.subscribe(),
            scrape,
            failing,
        };
        let service = match served {
            WorkerContent::Page(page_config) => {
                let state = Arc::new(api::ApiState::new(phase.subscribe()));
                ContentService::Page(router(page_config, state, &shared, layer).into_service())
            }
            WorkerContent::Plain { faults } => {
                let meter = Arc::clone(&meter);
                ContentService::Plain(service::service(shared, meter, faults, &layer))
            }
        };
        Worker {
            service,
            limits,
            meter,
            phase,
            has_bug,
            handler,
        }
    }

    /// Serves until the worker has drained. The exit code is [`EXIT_BUG`] after a bug.
    ///
    /// # Errors
    ///
    /// If the listener, which must be non-blocking, cannot be registered with the runtime.
    pub(super) async fn serve(self, listener: TcpListener, turns: Turns) -> io::Result<ExitCode> {
        let queue = ListenerQueue::new(listener)?;
        let Worker {
            service,
            limits,
            meter,
            phase,
            has_bug,
            handler,
        } = self;
        let context = ConnectionContext {
            limits,
            meter,
            phase,
            has_bug: has_bug.clone(),
            malformed: MalformedRequests::new(handler),
        };
        match service {
            ContentService::Page(page) => serve_queue(queue, turns, page, context).await,
            ContentService::Plain(plain) => serve_queue(queue, turns, plain, context).await,
        }
        Ok(if *has_bug.borrow() {
            ExitCode::from(EXIT_BUG)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// Serves connections from a queue.
///
/// Once the worker drains, it accepts only connections that are already queued. It serves
/// open connections for the [linger](Limits::linger) time, with `Connection: close` in
/// each response. It then closes idle connections and finishes the requests in flight.
/// The function returns after the last connection has closed, or at the drain deadline,
/// which aborts the remaining ones.
async fn serve_queue<A: AcceptQueue, S: HttpService>(
    queue: A,
    turns: Turns,
    service: S,
    context: ConnectionContext,
) {
    let ConnectionContext {
        limits,
        meter,
        phase,
        has_bug,
        malformed,
    } = context;
    let phases = phase.subscribe();
    let connection_limit = Arc::new(ConnectionLimit::new(
        limits,
        Arc::clone(&meter),
        phases.clone(),
    ));
    let malformed = Arc::new(malformed);
    let serve = |stream, permit| {
        let (connection_limit, malformed) = (Arc::clone(&connection_limit), Arc::clone(&malformed));
        let service = service.clone();
        tokio::spawn(connection::serve(
            stream,
            service,
            connection_limit,
            malformed,
            permit,
        ));
    };
    let accepting = accept_all(
        queue,
        turns,
        Arc::clone(&connection_limit),
        phases.clone(),
        has_bug,
        serve,
    );
    let serve_and_drain = async {
        accepting.await;
        drain(&connection_limit, &limits, &phase).await;
    };
    tokio::select! {
        () = serve_and_drain => {}
        () = meter.monitor_lag() => {}
    }
}

/// Waits for the open connections to finish.
async fn drain(connection_limit: &ConnectionLimit, limits: &Limits, phase: &watch::Sender<Phase>) {
    let phases = phase.subscribe();
    let close_all = async {
        tokio::select! {
            () = connection_limit.all_closed() => return,
            () = sleep(limits.linger) => {}
            () = phase_reached(phases.clone(), Phase::Stopping) => {}
        }
        connection_limit.close_connections();
        connection_limit.all_closed().await;
    };
    let deadline = async {
        // A time limit is needed because the trace of an endless run may be streaming.
        let _ = timeout(limits.drain, phase_reached(phases.clone(), Phase::Stopping)).await;
        advance(phase, Phase::Stopping);
        sleep(limits.grace).await;
    };
    tokio::select! {
        () = close_all => {}
        () = deadline => {}
    }
}

/// Logs a line with the id of this process.
fn log(line: &str) {
    logging::line(&format!("process {}: {line}", process::id()));
}
