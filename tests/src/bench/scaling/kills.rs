//! How long a killed worker is missing.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use load::cluster::{Cluster, send_signal};
use nix::sys::signal::Signal;

pub(super) const KILLS: usize = 21;
/// The worker that is killed next has served for twice as long: a supervisor
/// may take those for a crash loop that end sooner than that.
const PAUSE: Duration = Duration::from_millis(600);
const PATIENCE: Duration = Duration::from_secs(15);

/// Milliseconds from `kill -9` until it is said that another worker listens; of
/// all kills, the quickest first.
pub(super) fn measure(server: &Cluster) -> Result<Vec<f64>> {
    let mut all = Vec::new();
    for _ in 0..KILLS {
        thread::sleep(PAUSE);
        let known = server.workers();
        // The one that has served longest.
        let victim = *known.first().context("nobody serves")?;
        let killed = Instant::now();
        send_signal(victim, Signal::SIGKILL)?;
        let listens = server.wait_for(PATIENCE, |said| {
            let new = said.iter().find(|said| {
                let is_new = said.pid.is_some_and(|pid| !known.contains(&pid));
                said.event == "ready" && is_new && said.at >= killed
            });
            new.map(|said| said.at)
        });
        let listens = listens.context("a killed worker was not replaced")?;
        all.push((listens - killed).as_secs_f64() * 1e3);
    }
    all.sort_by(f64::total_cmp);
    Ok(all)
}
