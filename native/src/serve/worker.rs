//! A worker, which serves connections until it is stopped or hits a bug.

mod accept;
mod activity;
mod connection;
mod connection_limit;
mod limits;
mod malformed;
mod phase;
mod request_tracking;
mod socket;
#[cfg(test)]
mod tests;

pub(super) use activity::ConnectionTimeout;
pub(super) use limits::Limits;
#[cfg(unix)]
pub(super) use limits::{DRAIN_TIMEOUT, GRACE_PERIOD, raise_open_files};
pub(super) use phase::{Phase, advance, phase_reached};
pub(super) use request_tracking::HttpService;

use super::{
    endpoints::{EndpointState, FailingWorkers},
    errors,
    metrics::{Meter, ScrapeWorkers},
    turns::Turns,
};
use accept::{AcceptQueue, ListenerQueue, accept_all};
use connection_limit::ConnectionLimit;
use highwater::error::http::HandlerLayer;
use malformed::MalformedRequests;
use std::{io, net::TcpListener, process::ExitCode, sync::Arc};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// The exit code of a worker that had a bug: `EX_SOFTWARE` of `sysexits.h`.
pub(super) const EXIT_BUG: u8 = 70;

/// A worker that is ready to serve.
///
/// Everything that can fail or panic during start-up happens in [`Worker::new`]. Once it
/// returns, the worker can report that it is ready.
pub(super) struct Worker<S> {
    service: S,
    context: ConnectionContext,
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

impl<S: HttpService> Worker<S> {
    /// Creates a worker. Its phase controls when it drains and stops. `on_bug` is called
    /// after the first bug and decides whether to advance the phase. `service` creates the
    /// service, whose errors go to the given layer.
    pub(super) fn new(
        context: WorkerContext,
        on_bug: impl Fn() + Send + Sync + 'static,
        service: impl FnOnce(EndpointState, HandlerLayer) -> S,
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
        let endpoint_state = EndpointState {
            limits,
            phase: phase.subscribe(),
            meter: Arc::clone(&meter),
            scrape,
            failing,
        };
        Worker {
            service: service(endpoint_state, layer),
            context: ConnectionContext {
                limits,
                meter,
                phase,
                has_bug,
                malformed: MalformedRequests::new(handler),
            },
        }
    }

    /// Serves until the worker has drained. The exit code is [`EXIT_BUG`] after a bug.
    ///
    /// # Errors
    ///
    /// If the listener, which must be non-blocking, cannot be registered with the runtime.
    pub(super) async fn serve(self, listener: TcpListener, turns: Turns) -> io::Result<ExitCode> {
        let queue = ListenerQueue::new(listener)?;
        let has_bug = self.context.has_bug.clone();
        serve_queue(queue, turns, self.service, self.context).await;
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
