//! The time to replace a killed worker.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use load::cluster::{Cluster, ClusterEvent, send_signal};
use nix::sys::signal::Signal;

pub(super) const KILL_COUNT: usize = 21;
/// The pause before a kill. The older of two workers is killed, so its uptime is twice
/// this long. A supervisor may take a shorter uptime for a crash loop.
const PAUSE_BEFORE_KILL: Duration = Duration::from_millis(600);
const TIMEOUT: Duration = Duration::from_secs(15);

/// Returns the time from each `kill -9` until a new worker has responded, in milliseconds,
/// in ascending order.
pub(super) fn measure(server: &Cluster) -> Result<Vec<f64>> {
    let mut replacement_times = Vec::new();
    for _ in 0..KILL_COUNT {
        thread::sleep(PAUSE_BEFORE_KILL);
        let known_workers = server.workers();
        // Workers are sorted by age.
        let oldest = *known_workers.first().context("no worker is ready")?;
        let killed = Instant::now();
        send_signal(oldest, Signal::SIGKILL)?;
        let ready = server.wait_for(TIMEOUT, |events| {
            let is_new = |pid: &u32| !known_workers.contains(pid);
            let ready = |event: &&ClusterEvent| event.event == "ready" && event.at >= killed;
            let mut ready = events.iter().filter(ready);
            ready.find_map(|event| event.pid.filter(is_new))
        });
        let new = ready.context("a killed worker was not replaced")?;
        // Connections alternate between the workers.
        while responding_worker(server.addr())? != Some(new) {
            ensure!(
                killed.elapsed() < TIMEOUT,
                "the new worker does not respond"
            );
        }
        replacement_times.push(killed.elapsed().as_secs_f64() * 1e3);
    }
    replacement_times.sort_by(f64::total_cmp);
    Ok(replacement_times)
}

/// Sends a request on a new connection and returns the worker that responds.
fn responding_worker(addr: SocketAddr) -> io::Result<Option<u32>> {
    let mut connection = TcpStream::connect(addr)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.write_all(b"GET / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")?;
    let mut response = String::new();
    connection.read_to_string(&mut response)?;
    let worker = response
        .lines()
        .find_map(|line| line.strip_prefix("x-worker: "));
    Ok(worker.and_then(|worker| worker.parse().ok()))
}
