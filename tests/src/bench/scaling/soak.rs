//! The soak test: reloads under load until enough requests were sent.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::restarts::{clients, restart};
use super::servers::{Contestant, Servers};
use crate::workspace::Workspace;

/// The idle time of clients with think time. If it exceeded the time that a worker
/// lingers, the connection could be closed while a request is on its way.
const IDLE_GAP: Duration = Duration::from_millis(500);
/// The minimum number of reloads.
const RELOADS: usize = 20;

/// Reloads `highwater cluster` under load until `requests` were sent. Returns exit code 1
/// if any of them failed.
pub(in super::super) fn run(requests: u64) -> Result<ExitCode> {
    let servers = Servers::prepare(&Workspace::new()?)?;
    let server = servers.start(Contestant::Ours)?;
    let start = Instant::now();
    let running = clients(&server, IDLE_GAP);
    let mut reloads = 0;
    while running.sent() < requests || reloads < RELOADS {
        restart(&server)?;
        reloads += 1;
        eprintln!("{reloads} reloads, {} requests", running.sent());
    }
    let ledger = running.stop();
    let total = ledger.total();
    let failed = total.failures() + total.unsuccessful();
    print!("{ledger}");
    println!(
        "{} requests during {reloads} reloads in {:.0?}, {} workers: {failed} failed.",
        total.sent,
        start.elapsed(),
        total.workers.len(),
    );
    println!(
        "Clients with think time leave their connections idle for {IDLE_GAP:?}. A worker lingers\n\
         for a second: a reload closes connections that are idle for longer, and a request sent\n\
         at that moment is lost."
    );
    let is_ok = failed == 0 && ledger.adds_up();
    Ok(ExitCode::from(u8::from(!is_ok)))
}
