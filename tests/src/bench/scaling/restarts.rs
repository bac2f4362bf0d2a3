//! What a rolling restart costs those who are being served.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use load::cluster::Cluster;
use load::{Client, Load, RunningLoad};
use nix::sys::signal::Signal;

const RESTARTS: usize = 3;
/// Before, between and after.
const PAUSE: Duration = Duration::from_millis(300);
const PATIENCE: Duration = Duration::from_secs(30);

/// How many there were, of how many requests meanwhile, and how many of those
/// failed.
#[derive(Clone, Copy)]
pub(super) struct Restarts {
    pub(super) times: usize,
    pub(super) sent: u64,
    pub(super) failed: u64,
}

/// Clients of every kind, with a pause between requests in some of them.
pub(super) fn clients(server: &Cluster, pause: Duration) -> RunningLoad {
    Load::on(server.addr())
        .clients(Client::KeepAlive, 8)
        .clients(Client::NewConnection, 4)
        .clients(Client::ThinkTime(pause), 8)
        .start()
}

/// Has all workers replaced, once.
pub(super) fn restart(server: &Cluster) -> Result<()> {
    let before = server.count("reloaded");
    server.signal(Signal::SIGHUP)?;
    let is_done = server.wait_for(PATIENCE, |said| {
        let done = said.iter().filter(|said| said.event == "reloaded").count();
        (done > before).then_some(())
    });
    ensure!(is_done.is_some(), "a restart was not over in {PATIENCE:?}");
    Ok(())
}

pub(super) fn measure(server: &Cluster) -> Result<Restarts> {
    let running = clients(server, Duration::from_millis(100));
    thread::sleep(PAUSE);
    for _ in 0..RESTARTS {
        restart(server)?;
        thread::sleep(PAUSE);
    }
    let ledger = running.stop();
    ensure!(ledger.adds_up(), "a request is missing: {ledger}");
    let total = ledger.total();
    Ok(Restarts {
        times: RESTARTS,
        sent: total.sent,
        failed: total.failures() + total.unsuccessful(),
    })
}
