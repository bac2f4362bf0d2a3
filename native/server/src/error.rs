//! Startup and runtime errors of a server.

use highwater::BoxError;
use std::{io, net::SocketAddr, path::PathBuf};

/// An error that ends a server. Displays as one line: what failed, why, and what to do.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An address that is neither `ADDRESS:PORT` nor `unix:PATH`.
    #[error(
        "invalid address \"{0}\": expected ADDRESS:PORT, for example 127.0.0.1:8080, or unix:PATH"
    )]
    InvalidAddress(String),
    /// An address that another socket is bound to.
    #[error("{0} is already in use: stop the other server, or choose another port")]
    AddressInUse(SocketAddr),
    /// The path of an endpoint that does not begin with `/`, or that two endpoints have.
    #[error("invalid endpoint path \"{0}\": begin it with /, and give each endpoint its own path")]
    InvalidEndpoint(String),
    /// A port that requires privileges.
    #[error(
        "cannot listen on {0}: ports below 1024 require privileges; use a service manager's socket, \
         or a higher port"
    )]
    PermissionDenied(SocketAddr),
    /// An address that cannot be bound for another reason.
    #[error("cannot listen on {addr}: {cause}; check that the address belongs to this machine")]
    Listen {
        /// The address.
        addr: SocketAddr,
        /// The I/O error.
        cause: io::Error,
    },
    /// The path of a Unix socket that another server listens on.
    #[error("{} is already in use: stop the other server, or choose another path", .0.display())]
    SocketInUse(PathBuf),
    /// A Unix socket that cannot be created.
    #[error("cannot listen on unix:{}: {cause}; choose another path", path.display())]
    UnixSocket {
        /// The path.
        path: PathBuf,
        /// The I/O error.
        cause: io::Error,
    },
    /// A socket of the service manager that cannot be used.
    #[error("cannot serve on the inherited socket: {0}")]
    InheritedSocket(#[source] io::Error),
    /// A certificate or a key that cannot be used for TLS.
    #[error("cannot use {} for TLS: {reason}", file.display())]
    Certificate {
        /// The file.
        file: PathBuf,
        /// The reason, and what to do.
        reason: String,
    },
    /// Several workers on a system where processes cannot share a socket.
    #[error("several workers need Unix: serve with one worker")]
    NeedsUnix,
    /// The function passed to `prepare` failed.
    #[error("cannot start: {0}")]
    Prepare(#[source] BoxError),
    /// The function that creates the service failed.
    #[error("cannot create the service: {0}")]
    Service(#[source] BoxError),
    /// A worker that could not be started when the cluster started.
    #[error("cannot start worker {worker}: {cause}")]
    StartWorker {
        /// The number of the worker, counted from 1.
        worker: usize,
        /// The I/O error, with the remedy.
        cause: io::Error,
    },
    /// A worker that exited before it was ready, when the cluster started.
    #[error(
        "{0}; check that the program, started again with the same arguments, reaches the cluster's \
         `run`"
    )]
    WorkerExited(String),
    /// Workers that keep exiting.
    #[error("gave up: workers keep exiting: {0}; see the log above for the cause")]
    WorkersKeepExiting(String),
    /// A thread, a runtime or a signal handler that could not be started.
    #[error("cannot start a thread or runtime: {0}")]
    Runtime(#[source] io::Error),
}
