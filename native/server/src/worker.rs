//! Serves connections until the worker is stopped or hits a bug.

mod accept;
mod activity;
mod client_limit;
mod client_stream;
mod connection;
mod connection_limit;
mod malformed;
mod proxy_header;
mod raw_stream;
mod request_log;
mod request_tracking;
mod socket;
#[cfg(test)]
mod tests;
mod transport;

use crate::{
    access_log::AccessLog,
    deadline::DeadlineService,
    endpoints::{self, EndpointService, Endpoints, NoService},
    error_layer,
    handle::{FailingWorkers, Shared, Worker},
    host::HostCheck,
    limits::Limits,
    listen::Listeners,
    listen_addr::ListenAddr,
    load_shedding::{LoadShedder, SheddingService},
    logging,
    metrics::{Meter, ScrapeWorkers},
    phase::{Phase, advance, phase_reached},
    service::HttpService,
    tls::TlsAcceptor,
    trusted_proxies::TrustedProxies,
    turns::Turns,
};
use accept::{AcceptQueue, ListenerQueue, accept_all};
use client_limit::ClientLimitService;
use connection_limit::{ConnectionLimit, Pressure};
use highwater::{error::Handler, scale::WorkerId};
use malformed::MalformedRequests;
use request_log::RequestLogs;
use request_tracking::InfallibleService;
use std::{
    convert::Infallible,
    future::pending,
    io,
    process::{self, ExitCode},
    sync::Arc,
};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::task::TaskTracker;
use tower_layer::Layer;
use transport::Transport;

/// The exit code of a worker that had a bug: `EX_SOFTWARE` of `sysexits.h`.
pub(crate) const EXIT_BUG: u8 = 70;

/// A worker without its service.
pub(crate) struct WorkerServer {
    handle: Worker,
    endpoints: Option<Endpoints>,
    drains_endpoints: bool,
    handler: Arc<Handler>,
    shedder: Arc<LoadShedder>,
    context: ConnectionContext,
}

/// The configuration of a worker, and the state that it shares with the code that runs it.
pub(crate) struct WorkerContext {
    pub(crate) id: WorkerId,
    pub(crate) local_addr: ListenAddr,
    pub(crate) limits: Limits,
    pub(crate) endpoints: Option<Endpoints>,
    /// True if other workers serve the endpoints while this one drains.
    pub(crate) drains_endpoints: bool,
    pub(crate) tls: Option<TlsAcceptor>,
    pub(crate) trusted_proxies: Option<TrustedProxies>,
    /// Handles the errors of the service.
    pub(crate) handler: Handler,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) meter: Arc<Meter>,
    /// Provides the metrics of all workers.
    pub(crate) scrape: ScrapeWorkers,
    pub(crate) failing: FailingWorkers,
    /// Controls when the worker drains and stops.
    pub(crate) phase: Arc<watch::Sender<Phase>>,
    /// Called after the first bug. Decides whether to advance the phase.
    pub(crate) on_bug: Box<dyn Fn() + Send + Sync>,
    /// Called when the service requests a replacement, with the reason.
    pub(crate) on_retire: Box<dyn Fn(&str) + Send + Sync>,
}

/// The parts of a worker that its connections need, except for the service.
struct ConnectionContext {
    limits: Limits,
    transport: Transport,
    meter: Arc<Meter>,
    phase: Arc<watch::Sender<Phase>>,
    has_bug: watch::Receiver<bool>,
    malformed: Arc<MalformedRequests>,
    request_logs: RequestLogs,
    /// The background tasks, which the worker waits for.
    tasks: TaskTracker,
}

impl WorkerServer {
    pub(crate) fn new(context: WorkerContext) -> Self {
        let limits = context.limits.for_this_process();
        let tasks = TaskTracker::new();
        let (bug_sender, has_bug) = watch::channel(false);
        let handler = error_layer::handler(context.handler, context.id);
        let registered = context.meter.register("server", &handler);
        registered.expect("no other handler has the name yet");
        let on_bug = context.on_bug;
        let layer = error_layer::layer(Arc::clone(&handler), move || {
            if !bug_sender.send_replace(true) {
                on_bug();
            }
        });
        let malformed = Arc::new(MalformedRequests::new(Arc::clone(&handler)));
        WorkerServer {
            handle: Worker::new(Shared {
                id: context.id,
                local_addr: context.local_addr,
                phase: context.phase.subscribe(),
                meter: Arc::clone(&context.meter),
                scrape: context.scrape,
                failing: context.failing,
                error_layer: layer,
                retire: context.on_retire,
                tasks: tasks.clone(),
            }),
            endpoints: context.endpoints,
            drains_endpoints: context.drains_endpoints,
            handler,
            shedder: LoadShedder::new(&limits, Arc::clone(&context.meter)),
            context: ConnectionContext {
                limits,
                transport: Transport::new(
                    context.trusted_proxies,
                    context.tls,
                    &limits,
                    Arc::clone(&malformed),
                ),
                meter: context.meter,
                phase: context.phase,
                has_bug,
                malformed,
                request_logs: RequestLogs::new(context.id, context.access_log),
                tasks,
            },
        }
    }

    /// Returns the handle for the service.
    pub(crate) fn handle(&self) -> Worker {
        self.handle.clone()
    }

    /// Serves until the worker has drained. The exit code is [`EXIT_BUG`] after a bug.
    ///
    /// # Errors
    ///
    /// If the listener cannot be registered with the runtime.
    pub(crate) async fn serve(
        self,
        listeners: Listeners,
        turns: Turns,
        service: impl HttpService,
    ) -> io::Result<ExitCode> {
        let Listeners {
            service: listener,
            mut others,
        } = listeners;
        let queue = ListenerQueue::new(listener)?;
        let endpoint_queue = others.remove(endpoints::LISTENER_NAME);
        let endpoint_queue = endpoint_queue.map(ListenerQueue::new).transpose()?;
        let has_own_address = endpoint_queue.is_some();
        let serving_endpoints = self.serve_endpoints(endpoint_queue);
        let endpoints = self.endpoints.clone().filter(|_| !has_own_address);
        let has_bug = self.context.has_bug.clone();
        let service = DeadlineService::new(service, &self.context.limits);
        // They measure the lag until the worker has drained.
        let _probes = self.shedder.spawn_probes();
        let service = SheddingService::new(service, self.shedder);
        let is_limited = self.context.limits.connections_per_client.is_some();
        let service = ClientLimitService::new(service, is_limited);
        let service = EndpointService::new(service, endpoints, self.handle.clone());
        let service = HostCheck::new(self.handle.error_layer().layer(service));
        tokio::select! {
            () = serve_queue(queue, turns, service, self.context) => {}
            never = serving_endpoints => match never {},
        }
        Ok(if *has_bug.borrow() {
            ExitCode::from(EXIT_BUG)
        } else {
            ExitCode::SUCCESS
        })
    }

    /// Serves the endpoints on their own address, if they have one. Never completes.
    fn serve_endpoints(
        &self,
        queue: Option<ListenerQueue>,
    ) -> impl Future<Output = Infallible> + use<> {
        let service = EndpointService::new(NoService, self.endpoints.clone(), self.handle.clone());
        let service = HostCheck::new(self.handle.error_layer().layer(service));
        let phase = Arc::new(watch::Sender::new(Phase::Serving));
        let drain = {
            let (phase, drains) = (Arc::clone(&phase), self.drains_endpoints);
            let draining = phase_reached(self.context.phase.subscribe(), Phase::Draining);
            async move {
                draining.await;
                if drains {
                    advance(&phase, Phase::Draining);
                }
            }
        };
        let id = WorkerId::new(self.handle.index(), self.handle.generation());
        // Their own limits and counters, so that a full server can be observed.
        let limits = Limits::new().connections(endpoints::MAX_CONNECTIONS);
        let malformed = Arc::new(MalformedRequests::new(Arc::clone(&self.handler)));
        let context = ConnectionContext {
            limits,
            transport: Transport::new(None, None, &limits, Arc::clone(&malformed)),
            meter: Arc::default(),
            phase,
            has_bug: self.context.has_bug.clone(),
            malformed,
            request_logs: RequestLogs::new(id, None),
            tasks: TaskTracker::new(),
        };
        async move {
            if let Some(queue) = queue {
                tokio::join!(
                    serve_queue(queue, Turns::unshared(), service, context),
                    drain
                );
            }
            pending().await
        }
    }
}

/// Serves connections from a queue.
///
/// Once the worker drains, it accepts only connections that are already queued. It serves
/// open connections for the [linger](Limits::linger) time, with `Connection: close` in
/// each response, or a GOAWAY frame. It then closes idle connections and finishes the
/// requests in flight. Upgraded connections stay open. The function returns after the last
/// connection has closed, or at the drain deadline, which aborts the remaining ones.
async fn serve_queue<A: AcceptQueue, S: InfallibleService>(
    queue: A,
    turns: Turns,
    service: S,
    context: ConnectionContext,
) {
    let ConnectionContext {
        limits,
        transport,
        meter,
        phase,
        has_bug,
        malformed,
        request_logs,
        tasks,
    } = context;
    let phases = phase.subscribe();
    let connection_limit = Arc::new(ConnectionLimit::new(
        limits,
        Arc::clone(&meter),
        phases.clone(),
        request_logs,
    ));
    let transport = Arc::new(transport);
    // Owns the service, which is dropped after the last connection.
    let serve = {
        let connection_limit = Arc::clone(&connection_limit);
        move |accepted, mut permit| {
            let (transport, service) = (Arc::clone(&transport), service.clone());
            let (connection_limit, malformed) =
                (Arc::clone(&connection_limit), Arc::clone(&malformed));
            tokio::spawn(async move {
                let established = transport.establish(accepted, &mut permit, &connection_limit);
                if let Some((stream, client)) = established.await {
                    connection::serve(stream, client, service, connection_limit, malformed, permit)
                        .await;
                }
            });
        }
    };
    let accepting = accept_all(
        queue,
        turns,
        Arc::clone(&connection_limit),
        phases.clone(),
        has_bug,
        serve,
    );
    accepting.await;
    drain(&connection_limit, &tasks, &limits, &phase).await;
}

/// Waits for the open connections and then for the background tasks to finish.
async fn drain(
    connection_limit: &ConnectionLimit,
    tasks: &TaskTracker,
    limits: &Limits,
    phase: &watch::Sender<Phase>,
) {
    let phases = phase.subscribe();
    connection_limit.raise_pressure(Pressure::Draining);
    let close_all = async {
        tokio::select! {
            () = connection_limit.all_closed() => return,
            () = sleep(limits.linger) => {}
            () = phase_reached(phases.clone(), Phase::Stopping) => {}
        }
        connection_limit.raise_pressure(Pressure::Closing);
        connection_limit.all_closed().await;
    };
    let finish = async {
        close_all.await;
        tasks.close();
        tasks.wait().await;
    };
    let deadline = async {
        // A time limit is needed because the trace of an endless run may be streaming.
        let _ = timeout(limits.drain, phase_reached(phases.clone(), Phase::Stopping)).await;
        advance(phase, Phase::Stopping);
        sleep(limits.grace).await;
    };
    tokio::select! {
        () = finish => {}
        () = deadline => {
            connection_limit.raise_pressure(Pressure::Aborted);
            if !tasks.is_empty() {
                let noun = if tasks.len() == 1 { "task" } else { "tasks" };
                logging::line(&format!(
                    "process {}: aborting {} background {noun}: the time for a shutdown has passed",
                    process::id(),
                    tasks.len()
                ));
            }
        }
    }
}
