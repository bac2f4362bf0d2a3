//! Serves any `tower` service and stays up.
//!
//! ```no_run
//! use axum::{Router, routing::get};
//! use highwater_server::{Cluster, ExitCode};
//!
//! fn main() -> ExitCode {
//!     Cluster::new("127.0.0.1:8080").workers(2).run(|_worker| async {
//!         Router::new().route("/", get(|| async { "hello" }))
//!     })
//! }
//! ```
//!
//! | type | contents |
//! |---|---|
//! | [`Server`] | one process, on every platform: HTTP/1.1 and HTTP/2 within limits, with a graceful shutdown |
//! | [`Cluster`] | worker processes and their supervisor, on Unix: replaces workers that crash, hang or hit a bug, and reloads a new program without losing a request |
//! | [`ListenAddr`], `Tls` | the address of a server; a certificate, with the feature `tls` |
//! | [`ClientAddr`], [`TrustedProxies`] | the client of a request; the proxies that name it |
//! | [`Limits`] | the connections and the time that clients can use |
//! | [`Endpoints`] | liveness, readiness and metrics for orchestrators and monitoring |
//! | [`Worker`], [`Shutdown`] | a service's handle to its worker: readiness, metrics of every part, replacement and shutdown |
//! | [`HttpService`], [`RequestBody`] | the services that can be served |
//! | [`logging`] | a log that does not block when its reader stalls, and receives `tracing` events and `log` records |
//! | [`AccessLog`], [`TraceContext`] | a line for each finished request; the distributed trace of a request |
//!
//! # Errors
//!
//! Around each service is the layer of [`highwater::error::http`]. Errors and panics become
//! problem documents with the id of their log entry. A service can fail with an
//! [`AppError`](highwater::error::AppError); axum handlers can return it with the feature
//! `axum` of `highwater`. After a bug, a worker serves until its replacement is ready, and a
//! [`Server`] drains and exits.
//!
//! Requests that are not valid HTTP, or have no valid `Host`, never reach the service. They
//! are answered, counted and logged like other errors.
//!
//! # Runtime
//!
//! `run` creates a tokio runtime in each process, so `main` must not be async. The function
//! that creates the service runs in it, and can connect to databases and spawn tasks.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod access_log;
mod client_addr;
mod cluster;
#[cfg(unix)]
mod control;
mod deadline;
mod endpoints;
mod error;
mod error_layer;
mod handle;
mod host;
#[cfg(unix)]
mod inheritance;
mod limits;
mod listen;
mod listen_addr;
mod load_shedding;
pub mod logging;
mod metrics;
#[cfg(not(feature = "tls"))]
mod no_tls;
mod options;
mod overload;
mod phase;
#[cfg(unix)]
mod reaper;
mod server;
mod service;
mod signals;
#[cfg(unix)]
mod supervisor;
#[cfg(feature = "tls")]
mod tls;
mod trace_context;
mod trusted_proxies;
mod turns;
mod worker;
#[cfg(unix)]
mod worker_process;

#[cfg(not(feature = "tls"))]
use no_tls as tls;

pub use access_log::AccessLog;
pub use client_addr::ClientAddr;
pub use cluster::Cluster;
pub use endpoints::Endpoints;
pub use error::Error;
pub use handle::{Shutdown, Worker};
pub use ipnet::IpNet;
pub use limits::Limits;
pub use listen_addr::ListenAddr;
pub use metrics::{MetricSource, RegisterError};
/// Counters, gauges and histograms for
/// [`Worker::register_collector`].
pub use prometheus;
#[cfg(unix)]
pub use reaper::{ChildGuard, spawn_child};
pub use server::Server;
pub use service::{HttpService, RequestBody};
/// The exit code of the program, returned by `run`.
pub use std::process::ExitCode;
#[cfg(feature = "tls")]
pub use tls::Tls;
pub use trace_context::{SpanId, TraceContext};
pub use trusted_proxies::TrustedProxies;
