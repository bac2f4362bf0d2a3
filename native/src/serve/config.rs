//! The configuration of a supervised server.

#[cfg(unix)]
use std::{ffi::OsString, net::TcpListener, time::Duration};

/// The maximum number of workers.
pub(crate) const MAX_WORKERS: u16 = 1024;

/// The configuration of a server: its socket and its workers.
#[cfg(unix)]
#[derive(Debug)]
pub(super) struct ClusterConfig {
    pub(super) listener: TcpListener,
    /// The command-line arguments of each worker.
    pub(super) worker_arguments: Vec<OsString>,
    /// The number of workers.
    pub(super) workers: usize,
    /// The supervisor gives up after this time without a ready worker.
    pub(super) give_up_after: Duration,
    /// The time limit for open requests during a shutdown.
    pub(super) shutdown_timeout: Duration,
    /// True if events are written to standard output as JSON.
    pub(super) json: bool,
}
