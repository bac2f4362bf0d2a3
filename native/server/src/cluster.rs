//! A supervised cluster of worker processes.

use crate::{
    error::Error,
    handle::Worker,
    options::{ClusterOptions, MAX_WORKERS, Options, common_options, report},
    service::HttpService,
};
use highwater::BoxError;
use std::{convert::Infallible, fmt, process::ExitCode, thread, time::Duration};

/// A cluster of worker processes that share a socket, and their supervisor.
///
/// [`run`](Self::run) starts the program again for each worker, with the same arguments.
/// In a worker, `run` serves. **What runs before `run` runs in each process**, so it
/// should only read arguments and settings. Work that must happen once belongs in
/// [`prepare`](Self::prepare); connections to databases belong in the function that
/// creates the service. A child process that is started before `run` inherits the sockets.
///
/// The supervisor holds the socket and serves nothing. It replaces a worker that exits,
/// hangs or had a bug: after a bug, the worker serves until its replacement is ready. While
/// no worker is ready, connections wait in the accept queue.
///
/// | signal to the supervisor | effect |
/// |---|---|
/// | `SIGHUP` | rolling reload: starts the program's current file, one worker at a time |
/// | `SIGTERM`, `SIGINT` | graceful shutdown; a second one exits at once |
/// | `SIGTTIN`, `SIGTTOU` | adds or removes one worker |
///
/// It notifies systemd, accepts a socket from it, and reaps orphans as PID 1. Clusters
/// need Unix: on other systems, one worker is served like a [`Server`](crate::Server), and
/// more are an error.
///
/// ```no_run
/// use axum::{Router, routing::get};
/// use highwater_server::{Cluster, ExitCode};
///
/// fn main() -> ExitCode {
///     Cluster::new("127.0.0.1:8080").workers(2).run(|_worker| async {
///         Router::new().route("/", get(|| async { "hello" }))
///     })
/// }
/// ```
#[must_use = "a cluster does nothing unless it is run"]
pub struct Cluster {
    options: Options,
    cluster: ClusterOptions,
}

impl Cluster {
    /// The maximum number of workers.
    pub const MAX_WORKERS: usize = MAX_WORKERS;

    /// Creates a cluster that listens on an address, such as `127.0.0.1:8080`, or on a Unix
    /// socket, such as `unix:/run/shop.sock`. Port 0 picks any free port. The file of a
    /// Unix socket is created, or replaced if no server uses it, and removed at the end. If
    /// a service manager passes a socket to this process, the cluster listens on that instead.
    pub fn new(addr: impl Into<String>) -> Self {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Cluster {
            options: Options::new(addr.into()),
            cluster: ClusterOptions {
                workers: cores.min(MAX_WORKERS),
                give_up_after: Duration::from_secs(30),
                ready_timeout: Duration::from_secs(10),
                version: None,
                json_events: false,
            },
        }
    }

    /// Sets the number of workers, 1 to [`MAX_WORKERS`](Self::MAX_WORKERS). The default is
    /// one for each core that this process may use, which respects the CPU quota of a
    /// container.
    pub fn workers(mut self, workers: usize) -> Self {
        self.cluster.workers = workers.clamp(1, MAX_WORKERS);
        self
    }

    /// Returns the number of workers.
    pub fn worker_count(&self) -> usize {
        self.cluster.workers
    }

    /// Sets the time after which the supervisor gives up, if no worker was ready for as
    /// long. The default is 30 seconds.
    pub fn give_up_after(mut self, limit: Duration) -> Self {
        self.cluster.give_up_after = limit;
        self
    }

    /// Sets the time limit for a worker to create its service. A worker that exceeds it is
    /// killed and started again. The default is 10 seconds.
    pub fn ready_timeout(mut self, limit: Duration) -> Self {
        self.cluster.ready_timeout = limit;
        self
    }

    /// Sets the version of the program, such as `env!("CARGO_PKG_VERSION")`. After a reload,
    /// the log shows the version of each worker.
    pub fn version(mut self, version: impl Into<String>) -> Self {
        self.cluster.version = Some(version.into());
        self
    }

    /// Writes events to standard output as JSON, one object per line, for programs that
    /// watch the cluster.
    pub fn json_events(mut self, enabled: bool) -> Self {
        self.cluster.json_events = enabled;
        self
    }

    common_options!();

    /// Supervises the workers until a signal stops the cluster, and returns the exit code
    /// of the program. In a worker, serves. `service` creates the service of a worker. An
    /// error is logged as one line.
    pub fn run<F, Fut, S>(self, service: F) -> ExitCode
    where
        F: FnOnce(Worker) -> Fut,
        Fut: Future<Output = S>,
        S: HttpService,
    {
        report(self.serve(async |worker| Ok::<_, Infallible>(service(worker).await)))
    }

    /// Like [`run`](Self::run), but `service` can fail, and errors are returned, by the
    /// supervisor.
    ///
    /// | `service` fails or panics | the supervisor |
    /// |---|---|
    /// | when the cluster starts | kills all workers, and returns the error |
    /// | when the cluster starts, with a [transient] error: a dependency is unavailable | logs the error and retries, until it [gives up](Self::give_up_after) |
    /// | after a worker was ready | logs the error and retries; other workers keep serving |
    ///
    /// Errors of the standard library are classified, so that a refused connection is
    /// transient. Other errors are, if they are an
    /// [`AppError`](highwater::error::AppError) such as
    /// [`AppError::unavailable`](highwater::error::AppError::unavailable).
    ///
    /// [transient]: highwater::error::ErrorKind::is_transient
    ///
    /// # Errors
    ///
    /// If the address cannot be bound, a worker cannot be started, `service` fails, or the
    /// workers keep exiting. No worker is left running.
    pub fn serve<F, Fut, S, E>(self, service: F) -> Result<ExitCode, Error>
    where
        F: FnOnce(Worker) -> Fut,
        Fut: Future<Output = Result<S, E>>,
        S: HttpService,
        E: Into<BoxError>,
    {
        #[cfg(unix)]
        {
            use crate::{inheritance, logging, options::block_on, supervisor, worker_process};
            let Cluster { options, cluster } = self;
            options.install_panic_hook();
            let result = match inheritance::take() {
                Some(inherited) => {
                    let inherited = inherited.map_err(Error::Runtime)?;
                    let threads = options.threads;
                    let worker =
                        worker_process::serve(inherited, options, cluster.version, service);
                    block_on(threads, worker)
                }
                None => block_on(1, supervisor::run(options, cluster)),
            };
            // The caller may print the error.
            logging::flush();
            result
        }
        #[cfg(not(unix))]
        {
            if self.cluster.workers > 1 {
                return Err(Error::NeedsUnix);
            }
            crate::Server::from_options(self.options).serve(service)
        }
    }
}

impl fmt::Debug for Cluster {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cluster")
            .field("addr", &self.options.addr)
            .field("workers", &self.cluster.workers)
            .finish_non_exhaustive()
    }
}
