//! The time to replace a killed worker.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use load::cluster::{Cluster, send_signal};
use nix::sys::signal::Signal;

pub(super) const KILLS: usize = 21;
/// The pause before a kill. The oldest of two workers is killed, so each has lived for
/// twice as long. A supervisor may take shorter lives for a crash loop.
const PAUSE: Duration = Duration::from_millis(600);
const TIMEOUT: Duration = Duration::from_secs(15);

/// Returns the milliseconds from each `kill -9` to a new ready worker, in ascending order.
pub(super) fn measure(server: &Cluster) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for _ in 0..KILLS {
        thread::sleep(PAUSE);
        let known = server.workers();
        // The oldest worker.
        let oldest = *known.first().context("no worker is ready")?;
        let killed = Instant::now();
        send_signal(oldest, Signal::SIGKILL)?;
        let ready_at = server.wait_for(TIMEOUT, |events| {
            let new = events.iter().find(|event| {
                let is_new = event.pid.is_some_and(|pid| !known.contains(&pid));
                event.event == "ready" && is_new && event.at >= killed
            });
            new.map(|event| event.at)
        });
        let ready_at = ready_at.context("a killed worker was not replaced")?;
        all.push((ready_at - killed).as_secs_f64() * 1e3);
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}
