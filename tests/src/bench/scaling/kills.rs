//! The time to replace a killed worker.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use load::cluster::{Cluster, send_signal};
use nix::sys::signal::Signal;

pub(super) const KILL_COUNT: usize = 21;
/// The pause before a kill. The older of two workers is killed, so its uptime is twice
/// this long. A supervisor may take a shorter uptime for a crash loop.
const PAUSE_BEFORE_KILL: Duration = Duration::from_millis(600);
const TIMEOUT: Duration = Duration::from_secs(15);

/// Returns the time from each `kill -9` until a new worker is ready, in milliseconds,
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
        let ready_at = server.wait_for(TIMEOUT, |events| {
            let new = events.iter().find(|event| {
                let is_new = event.pid.is_some_and(|pid| !known_workers.contains(&pid));
                event.event == "ready" && is_new && event.at >= killed
            });
            new.map(|event| event.at)
        });
        let ready_at = ready_at.context("a killed worker was not replaced")?;
        replacement_times.push((ready_at - killed).as_secs_f64() * 1e3);
    }
    replacement_times.sort_by(f64::total_cmp);
    Ok(replacement_times)
}
