//! The soak test: reloads the cluster under load until enough requests were sent.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::restarts::{clients, restart};
use super::servers::{Contestant, Servers};
use crate::workspace::Workspace;

/// The think time of clients. It must be shorter than the time for which a draining worker
/// keeps idle connections open. Otherwise the worker could close a connection just as a
/// request arrives.
const THINK_TIME: Duration = Duration::from_millis(500);
/// The minimum number of reloads.
const MIN_RELOADS: usize = 20;

/// Reloads `highwater cluster` under load until `requests` were sent. Returns exit code 1
/// if any of them failed.
pub(in super::super) fn run(requests: u64) -> Result<ExitCode> {
    let servers = Servers::prepare(&Workspace::new()?)?;
    let server = servers.start(Contestant::Highwater)?;
    let start = Instant::now();
    let running = clients(&server, THINK_TIME);
    let mut reload_count = 0;
    while running.sent() < requests || reload_count < MIN_RELOADS {
        restart(&server)?;
        reload_count += 1;
        eprintln!("{reload_count} reloads, {} requests", running.sent());
    }
    let ledger = running.stop();
    let total = ledger.total();
    let failed = total.failures() + total.unsuccessful();
    print!("{ledger}");
    println!(
        "{} requests during {reload_count} reloads in {:.0?}, {} workers: {failed} failed.",
        total.sent,
        start.elapsed(),
        total.workers.len(),
    );
    println!(
        "Clients with think time leave their connections idle for {THINK_TIME:?}. A draining worker\n\
         keeps idle connections open for a second. If a client were idle for longer, its next\n\
         request could be lost because the worker closes the connection."
    );
    let is_ok = failed == 0 && ledger.adds_up();
    Ok(ExitCode::from(u8::from(!is_ok)))
}
