//! The options that all servers have in common.

use crate::{
    access_log::AccessLog,
    endpoints::{self, Endpoints},
    error::Error,
    handle::Worker,
    limits::Limits,
    listen::{ListenAddrs, Listeners},
    listen_addr::ListenAddr,
    logging,
    signals::StopSignal,
    tls::{Tls, TlsAcceptor},
    trusted_proxies::TrustedProxies,
};
use highwater::{BoxError, error::Handler};
use log::{Level, LevelFilter};
use std::{collections::BTreeMap, panic, pin::Pin, process::ExitCode, time::Duration};
use tokio::runtime;

/// The options of a server.
pub(crate) struct Options {
    pub(crate) addr: String,
    /// Other addresses to listen on, by name.
    pub(crate) other_addrs: BTreeMap<String, String>,
    /// The mode of the files of Unix sockets. `None` leaves it to the umask.
    pub(crate) unix_socket_mode: Option<u32>,
    pub(crate) tls: Option<Tls>,
    pub(crate) trusted_proxies: Option<TrustedProxies>,
    /// The number of threads that serve requests in each process.
    pub(crate) threads: usize,
    pub(crate) limits: Limits,
    pub(crate) endpoints: Option<Endpoints>,
    pub(crate) shutdown_timeout: Duration,
    pub(crate) log_level: LevelFilter,
    pub(crate) access_log: Option<AccessLog>,
    pub(crate) handler: Handler,
    pub(crate) keeps_panic_hook: bool,
    pub(crate) prepare: Option<Box<Prepare>>,
    pub(crate) on_ready: Option<Box<dyn FnOnce(ListenAddr)>>,
}

/// The options of a cluster.
#[derive(Clone, Debug)]
pub(crate) struct ClusterOptions {
    pub(crate) workers: usize,
    /// The supervisor gives up after this time without a ready worker.
    pub(crate) give_up_after: Duration,
    /// The time limit for a worker to become ready.
    pub(crate) ready_timeout: Duration,
    pub(crate) version: Option<String>,
    /// True if events are written to standard output as JSON.
    pub(crate) json_events: bool,
}

/// The maximum number of workers.
pub(crate) const MAX_WORKERS: usize = 1024;

/// The work between binding the address and the first request.
pub(crate) type Prepare =
    dyn FnOnce(ListenAddr) -> Pin<Box<dyn Future<Output = Result<(), BoxError>>>>;

/// The default time limit for open requests during a shutdown. Container runtimes kill a
/// process after 10 s, and clients need time to read their responses.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(8);

/// The result of [`Options::open`].
pub(crate) enum Opened {
    /// The sockets are bound, and everything is prepared.
    Listening(Listeners),
    /// A signal stopped the server.
    Stopped(ExitCode),
}

impl Options {
    pub(crate) fn new(addr: String) -> Self {
        Options {
            addr,
            other_addrs: BTreeMap::new(),
            unix_socket_mode: None,
            tls: None,
            trusted_proxies: None,
            threads: 1,
            limits: Limits::new(),
            endpoints: None,
            shutdown_timeout: SHUTDOWN_TIMEOUT,
            log_level: logging::DEFAULT_LEVEL,
            access_log: None,
            handler: Handler::new(),
            keeps_panic_hook: false,
            prepare: None,
            on_ready: None,
        }
    }

    pub(crate) fn set_endpoints(&mut self, endpoints: Endpoints) {
        let name = endpoints::LISTENER_NAME.to_owned();
        match endpoints.addr() {
            Some(addr) => self.other_addrs.insert(name, addr.to_owned()),
            None => self.other_addrs.remove(&name),
        };
        self.endpoints = Some(endpoints);
    }

    /// Parses the addresses to listen on.
    fn listen_addrs(&self) -> Result<ListenAddrs, Error> {
        let others = self.other_addrs.iter();
        let others = others.map(|(name, addr)| Ok((name.clone(), addr.parse()?)));
        Ok(ListenAddrs {
            service: self.addr.parse()?,
            others: others.collect::<Result<_, Error>>()?,
            unix_socket_mode: self.unix_socket_mode,
        })
    }

    /// Reads the certificate, if there is one, and logs a warning about its dates.
    pub(crate) fn load_tls(&self) -> Result<Option<TlsAcceptor>, Error> {
        self.tls.as_ref().map(Tls::load_and_warn).transpose()
    }

    /// Returns the URL of the server for the log.
    pub(crate) fn url(&self, addr: &ListenAddr) -> String {
        addr.url(if self.tls.is_some() { "https" } else { "http" })
    }

    /// Installs the panic hook that logs each panic as one line, without blocking.
    pub(crate) fn install_panic_hook(&self) {
        if self.keeps_panic_hook {
            return;
        }
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !logging::log_panic(panic) {
                print(panic);
            }
        }));
    }

    /// Binds the addresses, calls `on_bound`, and prepares, unless `stop` completes first.
    pub(crate) async fn open(
        &mut self,
        stop: impl Future<Output = StopSignal>,
        on_bound: impl FnOnce(&ListenAddr),
    ) -> Result<Opened, Error> {
        let addrs = self.listen_addrs()?;
        if let Some(endpoints) = &self.endpoints {
            endpoints.check()?;
        }
        // Bound first, so that a port in use is reported immediately.
        let listeners = crate::listen::listen(&addrs).await?;
        let addr = listeners.service.local_addr().unwrap_or(addrs.service);
        on_bound(&addr);
        if let Some(prepare) = self.prepare.take() {
            tokio::select! {
                biased;
                signal = stop => {
                    return Ok(Opened::Stopped(ExitCode::from(signal.exit_code())));
                }
                prepared = prepare(addr) => prepared.map_err(Error::Prepare)?,
            }
        }
        Ok(Opened::Listening(listeners))
    }
}

/// The maximum time that an exiting process waits for its threads.
const THREADS_TIMEOUT: Duration = Duration::from_millis(250);

/// Creates the service of a worker. A panic is an error.
pub(crate) async fn create_service<F, Fut, S, E>(service: F, worker: Worker) -> Result<S, BoxError>
where
    F: FnOnce(Worker) -> Fut,
    Fut: Future<Output = Result<S, E>>,
    E: Into<BoxError>,
{
    logging::catch_panics(async { service(worker).await })
        .await?
        .map_err(Into::into)
}

/// Runs a server in a runtime with this number of threads.
pub(crate) fn block_on(
    threads: usize,
    server: impl Future<Output = Result<ExitCode, Error>>,
) -> Result<ExitCode, Error> {
    let mut builder = match threads {
        1 => runtime::Builder::new_current_thread(),
        _ => runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.worker_threads(threads).enable_all().build();
    let runtime = runtime.map_err(Error::Runtime)?;
    let result = runtime.block_on(server);
    // Dropping the runtime would wait for blocking work without a time limit.
    runtime.shutdown_timeout(THREADS_TIMEOUT);
    result
}

/// Logs an error, if there is one, and returns the exit code.
pub(crate) fn report(result: Result<ExitCode, Error>) -> ExitCode {
    let code = result.unwrap_or_else(|error| {
        logging::line_at(Level::Error, &format!("error: {error}"));
        ExitCode::FAILURE
    });
    logging::flush();
    code
}

/// Defines the methods for the options that all servers have in common.
macro_rules! common_options {
    () => {
        /// Sets the number of threads that serve requests in each process, at least 1. The
        /// default is one thread, which is the fastest for each core of a cluster. A single
        /// process uses more cores with more threads.
        pub fn threads(mut self, threads: usize) -> Self {
            self.options.threads = threads.max(1);
            self
        }

        /// Sets the limits on the resources that clients can use.
        pub fn limits(mut self, limits: crate::Limits) -> Self {
            self.options.limits = limits;
            self
        }

        /// Serves endpoints for liveness, readiness and metrics, in front of the service or on
        /// an address of their own. By default, there are none.
        pub fn endpoints(mut self, endpoints: crate::Endpoints) -> Self {
            self.options.set_endpoints(endpoints);
            self
        }

        /// Sets the time that requests in flight have to finish during a shutdown. The
        /// default is 8 seconds. Afterwards, clients have the
        /// [grace period](crate::Limits::grace) to read their responses.
        pub fn shutdown_timeout(mut self, timeout: std::time::Duration) -> Self {
            self.options.shutdown_timeout = timeout.min(std::time::Duration::from_hours(24));
            self
        }

        /// Sets the log level. For failed requests it means: `Error` (bugs), `Warn` (other
        /// server errors), `Info` (client errors, the default) or `Debug` (also clients
        /// that disconnect). The environment variable `RUST_LOG` takes precedence, as
        /// described in [`logging`](crate::logging).
        pub fn log_level(mut self, level: log::LevelFilter) -> Self {
            self.options.log_level = level;
            self
        }

        /// Writes a line to standard output for each finished request. By default, there is
        /// no access log.
        pub fn access_log(mut self, format: crate::AccessLog) -> Self {
            self.options.access_log = Some(format);
            self
        }

        /// Sets the handler of errors, for example to describe problem types. The server
        /// replaces its log function.
        pub fn error_handler(mut self, handler: highwater::error::Handler) -> Self {
            self.options.handler = handler;
            self
        }

        /// Keeps the panic hook of the program. By default, the server installs a hook
        /// that calls [`log_panic`](crate::logging::log_panic). The program's own hook
        /// should call it too.
        pub fn keep_panic_hook(mut self) -> Self {
            self.options.keeps_panic_hook = true;
            self
        }

        /// Serves HTTPS instead of HTTP. A server without the certificate does not start.
        #[cfg(feature = "tls")]
        pub fn tls(mut self, tls: crate::Tls) -> Self {
            self.options.tls = Some(tls);
            self
        }

        /// Sets the proxies that are trusted to name the client. By default, there are
        /// none, and the client is the other end of the connection.
        pub fn trusted_proxies(mut self, proxies: crate::TrustedProxies) -> Self {
            self.options.trusted_proxies = Some(proxies);
            self
        }

        /// Sets the mode of the file of a Unix socket, such as `0o660` for the file's user
        /// and group. Clients need write permission to connect. By default, the umask
        /// decides: usually, only processes of the same user can connect. A socket that a
        /// service manager passes keeps its mode.
        pub fn unix_socket_mode(mut self, mode: u32) -> Self {
            self.options.unix_socket_mode = Some(mode);
            self
        }

        /// Sets a function to call once the address is bound, before the first request
        /// is accepted. In a cluster, only the supervisor calls it. If it fails, the
        /// server does not start. A signal that stops the server stops it, too.
        pub fn prepare<F, Fut, E>(mut self, prepare: F) -> Self
        where
            F: FnOnce(crate::ListenAddr) -> Fut + 'static,
            Fut: Future<Output = Result<(), E>> + 'static,
            E: Into<highwater::BoxError>,
        {
            self.options.prepare = Some(Box::new(|addr| {
                let prepared = prepare(addr);
                Box::pin(async { prepared.await.map_err(Into::into) })
            }));
            self
        }

        /// Sets a function to call when the server is ready, with the address that it
        /// listens on. By default, the address is logged. In a cluster, only the
        /// supervisor calls it, when the first worker is ready.
        pub fn on_ready(mut self, on_ready: impl FnOnce(crate::ListenAddr) + 'static) -> Self {
            self.options.on_ready = Some(Box::new(on_ready));
            self
        }
    };
}
pub(crate) use common_options;
