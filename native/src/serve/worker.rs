//! The process that serves, until it is told to end or has a bug.

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
pub(super) use limits::{Limits, raise_open_files};

use super::{
    api, errors,
    metrics::{Meter, ScrapeWorkers},
    routes::{Site, router},
    service::{self, EndpointState, FailingWorkers, HandledService},
    turns::Turns,
};
use crate::logging;
use accept::{Accept, Queue, accept_all};
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

/// How a context process ends that had a bug: as `sysexits.h` has it for an
/// error in the program itself.
pub(super) const EXIT_BUG: u8 = 70;

/// How long clients have to take what they were promised once the server is
/// asked to end.
pub(super) const GRACE_PERIOD: Duration = Duration::from_secs(2);

/// How long requests have that are under way when a worker is replaced. Another
/// process serves meanwhile, so that nobody waits for it.
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);

/// How far it is. It only goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// It takes no more requests, and finishes what it has.
    Draining,
    /// What is not finished is cut short.
    Stopping,
}

/// Goes on to a phase, unless it is there or further; whether it did.
pub(super) fn advance(phase: &watch::Sender<Phase>, to: Phase) -> bool {
    phase.send_if_modified(|phase| {
        let goes_on = *phase < to;
        *phase = to.max(*phase);
        goes_on
    })
}

/// Completes when that phase has come.
pub(super) async fn phase_reached(mut phase: watch::Receiver<Phase>, which: Phase) {
    // An error means that who tells is gone, which is the end as well.
    let _ = phase.wait_for(|phase| *phase >= which).await;
}

/// What a worker serves.
#[derive(Clone, Copy, Debug)]
pub(super) enum WorkerContent<'a> {
    /// The page and its API.
    Page(Site<'a>),
    /// As good as nothing, and faults if they are wanted.
    Plain { faults: bool },
}

/// All that is needed to serve, but for connections.
///
/// What may fail or panic as it is made has been made: a worker that is there can
/// say that it is ready.
pub(super) struct Worker {
    service: ContentService,
    limits: Limits,
    meter: Arc<Meter>,
    phase: Arc<watch::Sender<Phase>>,
    bug: watch::Receiver<bool>,
    handler: Arc<Handler>,
}

/// What connects a worker with whoever runs it.
pub(super) struct WorkerContext {
    pub(super) meter: Arc<Meter>,
    /// What `GET /metrics` tells.
    pub(super) scrape: ScrapeWorkers,
    /// What `GET /readyz` tells.
    pub(super) failing: FailingWorkers,
    pub(super) phase: Arc<watch::Sender<Phase>>,
}

/// The parts of a worker that its connections need beside the service.
struct ConnectionContext {
    limits: Limits,
    meter: Arc<Meter>,
    phase: Arc<watch::Sender<Phase>>,
    bug: watch::Receiver<bool>,
    malformed: MalformedRequests,
}

enum ContentService {
    Page(RouterIntoService<Incoming>),
    Plain(HandledService),
}

impl Worker {
    /// Creates a worker that serves until its phase says that it is over. `on_bug` is
    /// called at the first bug, and decides whether that is the end.
    pub(super) fn new(
        content: WorkerContent<'_>,
        context: WorkerContext,
        on_bug: impl Fn() + Send + Sync + 'static,
    ) -> Self {
        let WorkerContext {
            meter,
            scrape,
            failing,
            phase,
        } = context;
        let limits = Limits::of_this_process();
        let (bug_sender, bug) = watch::channel(false);
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
        let service = match content {
            WorkerContent::Page(site) => {
                let state = Arc::new(api::State::new(phase.subscribe()));
                ContentService::Page(router(site, state, &shared, layer).into_service())
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
            bug,
            handler,
        }
    }

    /// Serves to the end. The code says whether there was a bug.
    ///
    /// # Errors
    ///
    /// If the runtime cannot wait for connections at this listener, which must be
    /// non-blocking.
    pub(super) async fn serve(self, listener: TcpListener, turns: Turns) -> io::Result<ExitCode> {
        let queue = Queue::new(listener)?;
        let Worker {
            service,
            limits,
            meter,
            phase,
            bug,
            handler,
        } = self;
        let context = ConnectionContext {
            limits,
            meter,
            phase,
            bug: bug.clone(),
            malformed: MalformedRequests::new(handler),
        };
        match service {
            ContentService::Page(page) => serve_on(queue, turns, page, context).await,
            ContentService::Plain(plain) => serve_on(queue, turns, plain, context).await,
        }
        Ok(if *bug.borrow() {
            ExitCode::from(EXIT_BUG)
        } else {
            ExitCode::SUCCESS
        })
    }
}

/// Serves anything on connections from anywhere.
///
/// When it drains, no more connections are accepted but those that are in the queue
/// already. All that are open are served for the time of the
/// [linger](Limits::linger), each answer with `Connection: close`; then those that
/// ask nothing are closed, and requests that are under way are finished. It ends
/// with the last connection, or at its deadline, which cuts what is left.
async fn serve_on<A: Accept, S: HttpService>(
    queue: A,
    turns: Turns,
    service: S,
    context: ConnectionContext,
) {
    let ConnectionContext {
        limits,
        meter,
        phase,
        bug,
        malformed,
    } = context;
    let phases = phase.subscribe();
    let connection_limit = Arc::new(ConnectionLimit::new(
        limits,
        Arc::clone(&meter),
        phases.clone(),
    ));
    let malformed = Arc::new(malformed);
    let take = |stream, permit| {
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
        bug,
        take,
    );
    let ending = async {
        accepting.await;
        drain(&connection_limit, &limits, &phase).await;
    };
    tokio::select! {
        () = ending => {}
        () = meter.monitor_lag() => {}
    }
}

/// Lets the connections that are open come to their end.
async fn drain(connection_limit: &ConnectionLimit, limits: &Limits, phase: &watch::Sender<Phase>) {
    let phases = phase.subscribe();
    let closed = async {
        tokio::select! {
            () = connection_limit.all_closed() => return,
            () = sleep(limits.linger) => {}
            () = phase_reached(phases.clone(), Phase::Stopping) => {}
        }
        connection_limit.close();
        connection_limit.all_closed().await;
    };
    let deadline = async {
        // Not for ever: somebody may be told an endless run.
        let _ = timeout(limits.drain, phase_reached(phases.clone(), Phase::Stopping)).await;
        advance(phase, Phase::Stopping);
        sleep(limits.grace).await;
    };
    tokio::select! {
        () = closed => {}
        () = deadline => {}
    }
}

/// A line about a worker, with the number of its process.
fn log(line: &str) {
    logging::line(&format!("process {}: {line}", process::id()));
}
