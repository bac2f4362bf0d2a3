//! `highwater cluster`: a small service with several workers, intended for load tests.

use super::{problems, service, warn_if_public};
use crate::{cli::ClusterOptions, error::Error};
use highwater_server::{Cluster, ListenAddr, Worker, logging};
use std::process::ExitCode;

/// Binds the address and supervises the workers until a signal stops the server.
///
/// # Errors
///
/// If the input is invalid, the address cannot be bound, or the workers keep exiting.
pub(crate) fn cluster(options: &ClusterOptions) -> Result<ExitCode, Error> {
    let json = options.json;
    let workers = options.workers();
    let mut cluster = Cluster::new(options.addr());
    if let Some(workers) = workers {
        cluster = cluster.workers(workers);
    }
    let worker_count = match cluster.worker_count() {
        1 => "1 worker".to_owned(),
        several => format!("{several} workers"),
    };
    let print_address = move |addr: ListenAddr| {
        if !json {
            logging::print(&format!(
                "{worker_count} serving {} (press Ctrl-C to stop)",
                addr.url("http")
            ));
        }
    };
    let cluster = cluster
        .give_up_after(options.give_up_after())
        .version(env!("CARGO_PKG_VERSION"))
        .json_events(json)
        .log_level(options.log_level)
        .error_handler(problems::error_handler())
        .keep_panic_hook()
        .prepare(async |addr| {
            warn_if_public(&addr);
            Ok::<(), Error>(())
        })
        .on_ready(print_address);
    let service = async |worker: Worker| service::service(&worker, options.faults);
    Ok(cluster.serve(service)?)
}
