//! Measures the page's budgets in Chrome.

use std::iter;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

use crate::browser::{self, Page};
use crate::native::list_scenarios;
use crate::play;
use crate::server::Serve;
use crate::sizes;
use crate::table::Table;

/// A run of about 50,000 records in 20 simulated seconds, played at 4× speed.
const BUSY_RUN: &str = "decoupling?listeners=async&users=4000&interval=0&email_latency=0&fail=none";
const BUSY_SPEED: &str = "4";

/// Seconds of runs played before the first memory measurement, to fill the caches, and
/// between the two measurements.
const WARM_UP_SECONDS: u32 = 120;
const MEASURED_SECONDS: u32 = 600;

/// Measures all budgets. `sizes` is the file with the bundle's output.
pub(crate) async fn measure(sizes: &Path) -> Result<Table> {
    let mut table = Table::default();
    for (what, found, limit) in sizes::read(sizes)? {
        table.at_most(
            format!("{what}, brotli"),
            found / 1000.0,
            limit / 1000.0,
            "KB",
        );
    }
    let server = Serve::start().await?;
    let scenarios: Vec<_> = list_scenarios()?
        .into_iter()
        .flat_map(|(_, names)| names)
        .collect();
    browser::with(async |page| {
        play::install_probe(page).await?;
        first_pictures(page, &server, &scenarios, &mut table).await?;
        interactions(page, &server, &scenarios, &mut table).await?;
        busy(page, &server, &mut table).await?;
        memory(page, &server, &scenarios, &mut table).await
    })
    .await?;
    Ok(table)
}

/// Measures the time to the first moving picture, with an empty cache.
async fn first_pictures(
    page: &Page,
    server: &Serve,
    scenarios: &[String],
    table: &mut Table,
) -> Result<()> {
    let mut slowest = (0.0, "");
    for address in iter::once("").chain(scenarios.iter().map(String::as_str)) {
        let mut moved = f64::INFINITY;
        // Take the fastest of three, because other load can only add time.
        for _ in 0..3 {
            play::open_uncached(page, &server.url, address).await?;
            moved = moved.min(play::wait_for_movement(page).await?);
        }
        if address.is_empty() {
            table.at_most("first moving picture, home", moved, 1000.0, "ms");
        } else if moved > slowest.0 {
            slowest = (moved, address);
        }
    }
    let what = format!("first moving picture, slowest scenario ({})", slowest.1);
    table.at_most(what, slowest.0, 1000.0, "ms");
    Ok(())
}

/// Measures interactions and frames while runs play and controls are pressed.
async fn interactions(
    page: &Page,
    server: &Serve,
    scenarios: &[String],
    table: &mut Table,
) -> Result<()> {
    play::open_uncached(page, &server.url, "").await?;
    play::wait_for_movement(page).await?;
    for scenario in scenarios {
        play::press_everything(page, scenario)
            .await
            .with_context(|| scenario.clone())?;
    }
    table.at_most(
        "interaction, p98",
        play::interaction_p98(page).await?,
        100.0,
        "ms",
    );
    let (p95, count) = play::frames(page).await?;
    ensure!(count > 300.0, "only {count} frames");
    table.at_most("frame work, p95", p95, 8.0, "ms");
    Ok(())
}

async fn busy(page: &Page, server: &Serve, table: &mut Table) -> Result<()> {
    play::open_uncached(page, &server.url, BUSY_RUN).await?;
    play::wait_for_movement(page).await?;
    let (seconds, records, dropped) = play::play_to_end(page, BUSY_SPEED).await?;
    let rate = (records / seconds).round();
    table.at_least(
        "events per second, played and painted",
        rate,
        10_000.0,
        "/s",
    );
    table.at_most("events dropped", dropped, 0.0, "");
    let (p95, _) = play::frames(page).await?;
    table.at_most("frame work in the busy run, p95", p95, 8.0, "ms");
    Ok(())
}

async fn memory(
    page: &Page,
    server: &Serve,
    scenarios: &[String],
    table: &mut Table,
) -> Result<()> {
    const MEGABYTE: f64 = 1e6;
    play::open_uncached(page, &server.url, &scenarios[0]).await?;
    play::wait_for_movement(page).await?;
    play::use_fast_clock(page).await?;
    play::play(page, scenarios, WARM_UP_SECONDS).await?;
    let before = play::memory(page).await?;
    play::play(page, scenarios, MEASURED_SECONDS).await?;
    let after = play::memory(page).await?;
    for (what, before, after) in [
        ("objects", before.0, after.0),
        ("WebAssembly", before.1, after.1),
    ] {
        let (before, after) = (before / MEGABYTE, after / MEGABYTE);
        let what = format!("memory after ten minutes, {what}");
        table.at_most(what, after, before * 1.1, "MB");
    }
    Ok(())
}
