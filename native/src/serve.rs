//! `highwater serve`: the page and its API.
//!
//! The server consists of several processes. The supervisor binds the address (`listen`),
//! builds the page (`page`), keeps the listening socket open and starts the workers
//! (`supervisor`). The workers serve requests (`worker_process`, `worker`) and share the
//! connections evenly (`turns`). After a bug, a worker finishes its open requests and is
//! replaced.
//!
//! `highwater cluster` (`cluster`) runs the same supervisor with a smaller service
//! (`service`, `jobs`). The page's routes are in `routes`, `api`, `trace_stream` and
//! `problems`. Request checks and error handling are in `hosts`, `deadline`, `headers`
//! and `errors`.

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

use crate::{cli::ServeOptions, error::Error, logging, terminal::BAD};
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

/// Binds the address, builds the page and serves it until a signal stops the server.
///
/// # Errors
///
/// If the input is invalid, the address cannot be bound, the page cannot be built, or the
/// workers keep exiting.
pub(crate) async fn serve(options: &ServeOptions) -> Result<ExitCode, Error> {
    logging::start(options.log_level, false).map_err(Error::Runtime)?;
    let addr = options.addr()?;
    let (www, build) = options.www();
    // Signals are handled from here on, including during the build.
    let mut signals = Signals::new()?;
    // Bound before the build, so that a port in use is reported immediately.
    let listener = listen(addr)?;
    let addr = listener.local_addr().unwrap_or(addr);
    warn_if_public(addr);
    tokio::select! {
        biased;
        signal = signals.stop() => return Ok(ExitCode::from(signal.exit_code())),
        ready = page::prepare(&www, build) => ready?,
    }
    let config = ClusterConfig {
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
    let print_address = || {
        logging::print(&format!(
            "Highwater is running at http://{addr}/ (press Ctrl-C to stop)"
        ));
        Ok(())
    };
    let remaining_build = async {
        if build {
            page::build_remaining().await;
        }
        std::future::pending::<()>().await;
    };
    tokio::select! {
        served = supervise(config, signals, print_address) => served,
        () = remaining_build => Ok(ExitCode::SUCCESS),
    }
}

/// Returns the source folder that this program was built from.
pub(crate) fn checkout() -> PathBuf {
    let manifest_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest_dir.parent().unwrap_or(manifest_dir).to_owned()
}

/// Prints a warning if other machines can reach the address.
fn warn_if_public(addr: SocketAddr) {
    if !addr.ip().is_loopback() {
        logging::styled(&format!(
            "{BAD}warning:{BAD:#} other machines can reach {addr}, and anyone there can start \
             runs from the page; browsers allow threads only on 127.0.0.1 and over HTTPS"
        ));
    }
}
