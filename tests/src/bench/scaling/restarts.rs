//! Failed requests during rolling restarts.

use std::thread;
use std::time::Duration;

use anyhow::{Result, ensure};
use load::cluster::Cluster;
use load::{Client, Load, RunningLoad};
use nix::sys::signal::Signal;

const RESTART_COUNT: usize = 3;
/// The pause before, between and after restarts.
const PAUSE: Duration = Duration::from_millis(300);
const TIMEOUT: Duration = Duration::from_secs(30);

/// The number of restarts, and the requests sent and failed during them.
#[derive(Clone, Copy)]
pub(super) struct Restarts {
    pub(super) restart_count: usize,
    pub(super) sent: u64,
    pub(super) failed: u64,
}

/// Starts clients of every kind. Clients with think time pause between requests.
pub(super) fn clients(server: &Cluster, pause: Duration) -> RunningLoad {
    Load::on(server.addr())
        .clients(Client::KeepAlive, 8)
        .clients(Client::NewConnection, 4)
        .clients(Client::ThinkTime(pause), 8)
        .start()
}

/// Performs one rolling restart of all workers.
pub(super) fn restart(server: &Cluster) -> Result<()> {
    let before = server.count("reloaded");
    server.signal(Signal::SIGHUP)?;
    let completed = server.wait_for(TIMEOUT, |events| {
        let done = events
            .iter()
            .filter(|event| event.event == "reloaded")
            .count();
        (done > before).then_some(())
    });
    ensure!(
        completed.is_some(),
        "the restart did not complete within {TIMEOUT:?}"
    );
    Ok(())
}

pub(super) fn measure(server: &Cluster) -> Result<Restarts> {
    let running = clients(server, Duration::from_millis(100));
    thread::sleep(PAUSE);
    for _ in 0..RESTART_COUNT {
        restart(server)?;
        thread::sleep(PAUSE);
    }
    let ledger = running.stop();
    ensure!(ledger.adds_up(), "the ledger does not add up: {ledger}");
    let total = ledger.total();
    Ok(Restarts {
        restart_count: RESTART_COUNT,
        sent: total.sent,
        failed: total.failures() + total.unsuccessful(),
    })
}
