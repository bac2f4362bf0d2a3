//! Reload after reload, until there were enough requests.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::restarts::{clients, restart};
use super::servers::{Contestant, Servers};
use crate::workspace::Workspace;

/// How long the clients that think leave their connection idle. Above the linger
/// of a worker it may be closed just as a request is on its way.
const IDLE_GAP: Duration = Duration::from_millis(500);
/// At least so many reloads, however quick the requests are.
const RELOADS: usize = 20;

/// Reloads a cluster of ours under load until `requests` were sent; exit code 1
/// if one of them failed.
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
        "{} requests through {reloads} reloads in {:.0?}: {failed} failed, by {} workers.",
        total.sent,
        start.elapsed(),
        total.workers.len(),
    );
    println!(
        "The idle gap of the clients that think is {IDLE_GAP:?}. The limit is what a worker\n\
         lingers for, a second: a connection that is idle for longer is closed by a reload, and\n\
         loses a request that is sent at that moment."
    );
    let is_well = failed == 0 && ledger.adds_up();
    Ok(ExitCode::from(u8::from(!is_well)))
}
