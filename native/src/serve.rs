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
//! `problems`, with its middleware in `headers` and `plain_text`. Every service uses
//! `endpoints`, `hosts`, `deadline` and `errors`.

mod api;
mod cluster;
mod config;
#[cfg(unix)]
mod control;
mod deadline;
mod endpoints;
mod errors;
mod faults;
mod headers;
mod hosts;
#[cfg(unix)]
mod jobs;
mod listen;
mod metrics;
mod page;
mod plain_text;
mod problems;
#[cfg(unix)]
mod reaper;
mod routes;
#[cfg(unix)]
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
pub(crate) use config::MAX_WORKERS;
pub(crate) use hosts::{Hosts, parse_name};
pub(crate) use page::checkout;

#[cfg(unix)]
use crate::cli::WorkerOptions;
use crate::{
    cli::ServeOptions,
    error::Error,
    terminal::{self, BAD},
};
use highwater_server::logging;
use listen::listen;
use routes::PageConfig;
use std::{net::SocketAddr, process::ExitCode};

#[cfg(not(unix))]
use single_process::Signals;
#[cfg(unix)]
use supervisor::Signals;

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
    #[cfg(unix)]
    let serving = {
        let config = config::ClusterConfig {
            listener,
            worker_arguments: options.worker_arguments(addr, &www),
            workers: options.workers(),
            give_up_after: options.give_up_after(),
            // The page's event streams may be endless.
            shutdown_timeout: std::time::Duration::ZERO,
            json: false,
        };
        supervisor::supervise(config, signals, print_address)
    };
    #[cfg(not(unix))]
    let serving = {
        if options.workers() > 1 {
            return Err(Error::NeedsUnix("serve --workers"));
        }
        let page = PageConfig {
            www: &www,
            faults: options.faults,
            hosts: options.hosts(addr),
        };
        let service = |state, handler| routes::router(page, state, handler).into_service();
        single_process::serve(listener, signals, service, print_address)
    };
    tokio::select! {
        served = serving => served,
        () = remaining_build => Ok(ExitCode::SUCCESS),
    }
}

/// Serves on the socket inherited from a supervisor.
///
/// # Errors
///
/// If no supervisor started this process.
#[cfg(unix)]
pub(crate) async fn serve_as_worker(options: &WorkerOptions) -> Result<ExitCode, Error> {
    let (level, faults) = (options.log_level, options.faults);
    if let Some(www) = &options.www {
        let page = PageConfig {
            www,
            faults,
            hosts: options.hosts(),
        };
        let service = |state, handler| routes::router(page, state, handler).into_service();
        worker_process::serve(level, service).await
    } else {
        let service = |state, handler| service::service(state, faults, &handler);
        worker_process::serve(level, service).await
    }
}

/// Prints a warning if other machines can reach the address.
fn warn_if_public(addr: SocketAddr) {
    if !addr.ip().is_loopback() {
        terminal::log(&format!(
            "{BAD}warning:{BAD:#} other machines can reach {addr}, and anyone there can start \
             runs from the page; browsers allow threads only on 127.0.0.1 and over HTTPS"
        ));
    }
}
