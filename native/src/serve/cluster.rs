//! `highwater cluster`: a small service with several workers, for load tests.

use crate::{cli::ClusterOptions, error::Error};
use std::process::ExitCode;

/// Binds the address and supervises the workers until a signal stops the server.
///
/// # Errors
///
/// Bad input, an address that cannot be bound, or workers that keep exiting.
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

#[cfg(unix)]
async fn serve(options: &ClusterOptions) -> Result<ExitCode, Error> {
    use super::{
        config::{ClusterConfig, Content},
        listen::listen,
        supervisor::{Signals, supervise},
    };
    use crate::logging;
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
        content: Content::Plain {
            faults: options.faults,
        },
        workers,
        give_up_after: options.give_up_after(),
        json: options.json,
    };
    supervise(config, signals, || {
        if options.json {
            return Ok(());
        }
        let count = match workers {
            1 => "1 worker serves".to_owned(),
            several => format!("{several} workers serve"),
        };
        logging::print(&format!("{count} http://{addr}/ (Ctrl-C stops the server)"));
        Ok(())
    })
    .await
}
