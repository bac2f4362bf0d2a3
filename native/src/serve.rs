//! `highwater serve`: the page and its API.
//!
//! Several processes do it. One binds (`listen`), builds the page, and holds the
//! socket (`supervisor`); the workers are started by it and serve (`child`,
//! `worker`), each in its turn (`turns`). If one has a bug, it answers what it has and is replaced. `highwater
//! cluster` (`cluster`) does the same with less to serve. The rest is what is served:
//! `routes`, `api`, `stream` and `records`, `problems`, `faults`, `headers`, `hosts`,
//! and `errors` for when it goes wrong.

mod api;
mod cluster;
mod config;
#[cfg(unix)]
mod control;
mod deadline;
mod errors;
mod faults;
mod headers;
mod hosts;
mod jobs;
mod listen;
mod metrics;
mod page;
mod problems;
#[cfg(unix)]
mod reaper;
mod routes;
mod service;
#[cfg(not(unix))]
mod single_process;
#[cfg(unix)]
mod supervisor;
mod trace_stream;
mod turns;
mod worker;
#[cfg(unix)]
mod worker_process;

pub(crate) use cluster::cluster;
pub(crate) use hosts::{Hosts, parse_name};
#[cfg(unix)]
pub(crate) use worker_process::serve as serve_as_worker;

use crate::{cli::ServeOptions, error::Error, logging, report::BAD};
use config::{ClusterConfig, Content};
use listen::listen;
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
};

#[cfg(not(unix))]
use single_process::{Signals, supervise};
#[cfg(unix)]
use supervisor::{Signals, supervise};

/// Binds, builds the page, and sees to it that it is served until it is asked to
/// end.
///
/// # Errors
///
/// Bad input, an address that cannot be had, no page to serve, or workers that
/// keep ending.
pub(crate) async fn serve(options: &ServeOptions) -> Result<ExitCode, Error> {
    logging::start(options.log_level, false).map_err(Error::Runtime)?;
    let addr = options.addr()?;
    let (www, build) = options.www();
    // From here on no signal is lost.
    let mut signals = Signals::new()?;
    // Before the build: who has to choose another port should not wait for it.
    let listener = listen(addr)?;
    let addr = listener.local_addr().unwrap_or(addr);
    warn_if_public(addr);
    tokio::select! {
        biased;
        signal = signals.stop() => return Ok(ExitCode::from(signal.exit_code())),
        ready = page::prepare(&www, build) => ready?,
    }
    let plan = ClusterConfig {
        listener,
        content: Content::Page {
            www,
            faults: options.faults,
            hosts: options.hosts(addr),
        },
        workers: options.workers(),
        #[cfg(unix)]
        give_up_after: options.give_up_after(),
        json: false,
    };
    let say_where = || {
        logging::print(&format!("Highwater is at http://{addr}/ (Ctrl-C stops it)"));
        Ok(())
    };
    let build_remaining = async {
        if build {
            page::build_remaining().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = supervise(plan, signals, say_where) => served,
        () = build_remaining => Ok(ExitCode::SUCCESS),
    }
}

/// The folder this program was built from.
pub(crate) fn checkout() -> PathBuf {
    let native = Path::new(env!("CARGO_MANIFEST_DIR"));
    native.parent().unwrap_or(native).to_owned()
}

/// Says so if others than this machine can reach an address.
fn warn_if_public(addr: SocketAddr) {
    if !addr.ip().is_loopback() {
        logging::styled(&format!(
            "{BAD}warning:{BAD:#} whoever reaches {addr} can use it; on the page that means to \
             start runs, and browsers give it threads on 127.0.0.1 or over HTTPS only"
        ));
    }
}
