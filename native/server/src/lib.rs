//! Serves any `tower` service and stays up.
//!
//! [`Server`] serves in one process: HTTP/1.1 within [`Limits`], with a graceful shutdown.
//! [`Cluster`] supervises several worker processes: it replaces workers that crash, hang
//! or hit a bug, and reloads a new program without losing a request.

mod cluster;
#[cfg(unix)]
mod control;
mod deadline;
mod error;
mod error_layer;
mod handle;
#[cfg(unix)]
mod inheritance;
mod limits;
mod listen;
pub mod logging;
mod metrics;
mod options;
mod phase;
#[cfg(unix)]
mod reaper;
mod server;
mod service;
mod signals;
#[cfg(unix)]
mod supervisor;
mod turns;
mod worker;
#[cfg(unix)]
mod worker_process;

pub use cluster::Cluster;
pub use error::Error;
pub use handle::{Shutdown, Worker};
pub use limits::Limits;
pub use metrics::JobOutcome;
#[cfg(unix)]
pub use reaper::{ChildGuard, spawn_child};
pub use server::Server;
pub use service::{HttpService, RequestBody};
/// The exit code of the program, returned by `run`.
pub use std::process::ExitCode;
