//! `highwater serve`: the page and its API.
//!
//! The server itself is the crate `highwater-server`: its supervisor builds the page
//! (`page`) and starts the workers, which serve it.
//!
//! `highwater cluster` (`cluster`) serves a smaller service (`service`, `jobs`). The page's
//! routes are in `routes`, `api`, `trace_stream` and `problems`, with its files in
//! `compressed` and its middleware in `headers` and `plain_text`. Both services use `endpoints`, `hosts` and `faults`.

mod api;
mod cluster;
mod compressed;
mod endpoints;
mod faults;
mod headers;
mod hosts;
mod jobs;
mod page;
mod plain_text;
mod problems;
mod routes;
mod service;
mod trace_stream;

pub(crate) use cluster::cluster;
pub(crate) use hosts::{Hosts, parse_name};
pub(crate) use page::checkout;

use crate::{
    cli::ServeOptions,
    error::Error,
    terminal::{self, BAD},
};
use highwater_server::{Cluster, ListenAddr, Worker, logging};
use routes::PageConfig;
use std::{convert::Infallible, process::ExitCode, time::Duration};

/// Binds the address, builds the page and serves it until a signal stops the server.
///
/// # Errors
///
/// If the input is invalid, the address cannot be bound, the page cannot be built, or the
/// workers keep exiting.
pub(crate) fn serve(options: &ServeOptions) -> Result<ExitCode, Error> {
    let (www, build) = options.www();
    let prepare = {
        let www = www.clone();
        async move |addr| {
            warn_if_public(&addr);
            page::prepare(&www, build).await?;
            if build {
                tokio::spawn(page::build_remaining());
            }
            Ok::<(), Error>(())
        }
    };
    let print_address = |addr: ListenAddr| {
        logging::print(&format!(
            "Highwater is running at {} (press Ctrl-C to stop)",
            addr.url("http")
        ));
    };
    let service = async |worker: Worker| {
        let page = PageConfig {
            www: &www,
            faults: options.faults,
            hosts: options.hosts(worker.local_addr()),
        };
        Ok::<_, Infallible>(routes::router(page, worker))
    };
    let server = Cluster::new(options.addr())
        .workers(options.workers())
        .give_up_after(options.give_up_after())
        // The page's event streams may be endless.
        .shutdown_timeout(Duration::ZERO)
        .version(env!("CARGO_PKG_VERSION"))
        .log_level(options.log_level)
        .error_handler(problems::error_handler())
        .keep_panic_hook()
        .prepare(prepare)
        .on_ready(print_address);
    Ok(server.serve(service)?)
}

/// Prints a warning if other machines can reach the address.
fn warn_if_public(addr: &ListenAddr) {
    if addr.tcp().is_some_and(|addr| !addr.ip().is_loopback()) {
        terminal::log(&format!(
            "{BAD}warning:{BAD:#} other machines can reach {addr}, and anyone there can start \
             runs from the page; browsers allow threads only on 127.0.0.1 and over HTTPS"
        ));
    }
}
