//! `highwater cluster`: a small service with several workers, intended for load tests.

use crate::{cli::ClusterOptions, error::Error};
use std::process::ExitCode;

/// Binds the address and supervises the workers until a signal stops the server.
///
/// # Errors
///
/// If the input is invalid, the address cannot be bound, or the workers keep exiting.
pub(crate) async fn cluster(options: &ClusterOptions) -> Result<ExitCode, Error> {
    #[cfg(unix)]
    {
        serve(options).await
    }
    #[cfg(not(unix))]
    {
        options.addr()?;
        Err(Error::NeedsUnix("cluster"))
    }
}

/// The time limit for open requests during a shutdown.
#[cfg(unix)]
const SHUTDOWN_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(8);

#[cfg(unix)]
async fn serve(options: &ClusterOptions) -> Result<ExitCode, Error> {
    use super::{
        config::ClusterConfig,
        listen::listen,
        supervisor::{Signals, supervise},
    };
    use highwater_server::logging;
    use serde_json::json;

    logging::start(options.log_level, false).map_err(Error::Runtime)?;
    let addr = options.addr()?;
    let workers = options.workers();
    let signals = Signals::new()?;
    let listener = listen(addr)?;
    let addr = listener.local_addr().unwrap_or(addr);
    super::warn_if_public(addr);
    if options.json {
        let line = json!({
            "event": "listening",
            "pid": std::process::id(),
            "addr": addr.to_string(),
            "workers": workers,
        });
        logging::print(&line.to_string());
    }
    let config = ClusterConfig {
        listener,
        worker_arguments: options.worker_arguments(),
        workers,
        give_up_after: options.give_up_after(),
        shutdown_timeout: SHUTDOWN_TIMEOUT,
        json: options.json,
    };
    supervise(config, signals, || {
        if options.json {
            return Ok(());
        }
        let worker_count = match workers {
            1 => "1 worker".to_owned(),
            several => format!("{several} workers"),
        };
        logging::print(&format!(
            "{worker_count} serving http://{addr}/ (press Ctrl-C to stop)"
        ));
        Ok(())
    })
    .await
}
