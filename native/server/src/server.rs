//! A server in one process.

use crate::{
    error::Error,
    handle::{FailingWorkers, Worker},
    logging,
    metrics::Meter,
    options::{Opened, Options, block_on, common_options, create_service, report},
    phase::{Phase, advance},
    service::HttpService,
    signals::Signals,
    turns::Turns,
    worker::{WorkerContext, WorkerServer},
};
use highwater::{BoxError, scale::WorkerId};
use std::{
    convert::Infallible, fmt, future::pending, process::ExitCode, sync::Arc, time::Duration,
};
use tokio::{sync::watch, time::sleep};

/// A server in one process, on every platform.
///
/// It serves HTTP/1.1, and HTTP/2 with the feature `http2`, within
/// [`Limits`](crate::Limits). Errors and panics of the service become
/// [problem details](highwater::error::http). The first SIGTERM, SIGINT, SIGHUP or
/// Ctrl-C starts a graceful shutdown: the server accepts no more connections, marks each
/// response as the last one of its connection, closes idle connections after the
/// [linger](crate::Limits::linger) time and finishes the requests in flight, within the
/// [shutdown timeout](Self::shutdown_timeout). A second signal exits at once.
///
/// After a bug, the process may be in an invalid state: it drains and exits with code 70,
/// so that a service manager restarts it. A [`Cluster`](crate::Cluster) does that without
/// an interruption.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use highwater_server::{ExitCode, Server};
///
/// fn main() -> ExitCode {
///     Server::new("127.0.0.1:8080").run(|_worker| async {
///         Router::new().route("/", get(|| async { "hello" }))
///     })
/// }
/// ```
#[must_use = "a server does nothing unless it is run"]
pub struct Server {
    options: Options,
}

impl Server {
    /// Creates a server that listens on an address, such as `127.0.0.1:8080`, or on a Unix
    /// socket, such as `unix:/run/shop.sock`. Port 0 picks any free port. The file of a
    /// Unix socket is created, or replaced if no server uses it, and removed at the end. If
    /// a service manager passes a socket to this process, the server listens on that
    /// instead.
    pub fn new(addr: impl Into<String>) -> Self {
        Server {
            options: Options::new(addr.into()),
        }
    }

    #[cfg(not(unix))]
    pub(crate) fn from_options(options: Options) -> Self {
        Server { options }
    }

    common_options!();

    /// Serves until a signal stops the server, and returns the exit code of the program.
    /// `service` creates the service. An error is logged as one line.
    pub fn run<F, Fut, S>(self, service: F) -> ExitCode
    where
        F: FnOnce(Worker) -> Fut,
        Fut: Future<Output = S>,
        S: HttpService,
    {
        report(self.serve(async |worker| Ok::<_, Infallible>(service(worker).await)))
    }

    /// Like [`run`](Self::run), but `service` can fail, and errors are returned.
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, or `service` fails.
    pub fn serve<F, Fut, S, E>(mut self, service: F) -> Result<ExitCode, Error>
    where
        F: FnOnce(Worker) -> Fut,
        Fut: Future<Output = Result<S, E>>,
        S: HttpService,
        E: Into<BoxError>,
    {
        logging::start(self.options.log_level).map_err(Error::Runtime)?;
        self.options.install_panic_hook();
        let threads = self.options.threads;
        let result = block_on(threads, self.serve_until_stopped(service));
        // The caller may print the error.
        logging::flush();
        result
    }

    async fn serve_until_stopped<F, Fut, S, E>(&mut self, service: F) -> Result<ExitCode, Error>
    where
        F: FnOnce(Worker) -> Fut,
        Fut: Future<Output = Result<S, E>>,
        S: HttpService,
        E: Into<BoxError>,
    {
        let mut signals = Signals::new()?;
        let tls = self.options.load_tls()?;
        let listeners = match self.options.open(signals.stop(), |_| {}).await? {
            Opened::Listening(listeners) => listeners,
            Opened::Stopped(code) => return Ok(code),
        };
        let addr = listeners.service.local_addr().map_err(Error::Runtime)?;
        let phase = Arc::new(watch::Sender::new(Phase::Serving));
        let meter = Arc::<Meter>::default();
        // There is no supervisor to replace this worker.
        let drain = {
            let phase = Arc::clone(&phase);
            move || advance(&phase, Phase::Draining)
        };
        let worker = WorkerServer::new(WorkerContext {
            id: WorkerId::new(0, 0),
            local_addr: addr.clone(),
            limits: self.options.limits,
            endpoints: self.options.endpoints.take(),
            // No other process tells that this one is not ready.
            drains_endpoints: false,
            tls,
            trusted_proxies: self.options.trusted_proxies.take(),
            handler: std::mem::take(&mut self.options.handler),
            access_log: self.options.access_log,
            scrape: meter.scraper(),
            meter,
            failing: FailingWorkers::default(),
            phase: Arc::clone(&phase),
            on_bug: {
                let drain = drain.clone();
                Box::new(move || {
                    drain();
                })
            },
            on_retire: Box::new(move |reason| {
                if drain() {
                    logging::line(&format!("shutting down: {reason}"));
                }
            }),
        });
        let service = tokio::select! {
            biased;
            signal = signals.stop() => return Ok(ExitCode::from(signal.exit_code())),
            service = create_service(service, worker.handle()) => {
                service.map_err(Error::Service)?
            }
        };
        match self.options.on_ready.take() {
            Some(on_ready) => on_ready(addr),
            None => logging::line(&format!("serving {}", self.options.url(&addr))),
        }
        tokio::select! {
            code = worker.serve(listeners, Turns::unshared(), service) => {
                code.map_err(Error::Runtime)
            }
            code = stop(&mut signals, &phase, self.options.shutdown_timeout) => Ok(code),
        }
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("addr", &self.options.addr)
            .finish_non_exhaustive()
    }
}

/// Waits for a signal and starts the shutdown. Completes with the exit code at the second
/// signal.
async fn stop(
    signals: &mut Signals,
    phase: &watch::Sender<Phase>,
    shutdown_timeout: Duration,
) -> ExitCode {
    signals.stop().await;
    logging::line(
        "shutting down: no new connections are accepted; a second signal aborts open requests",
    );
    if !shutdown_timeout.is_zero() {
        advance(phase, Phase::Draining);
    }
    let deadline = async || -> Infallible {
        sleep(shutdown_timeout).await;
        advance(phase, Phase::Stopping);
        pending().await
    };
    let signal = tokio::select! {
        signal = signals.stop() => signal,
        never = deadline() => match never {},
    };
    logging::line("second signal: aborting open requests");
    ExitCode::from(signal.exit_code())
}
