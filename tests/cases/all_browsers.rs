//! Runs every scenario in each browser. One browser does all of it, because starting
//! one takes longer than most cases.

use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::appearance::{Appearance, NARROW, WIDE};
use crate::browser::{self, BrowserKind, Page};
use crate::experiment::{evaluate, finish_run, go, wait_until};
use crate::native::{self, listed};
use crate::server::Serve;
use crate::{axe, fuzz, keyboard, keys, offline};

#[tokio::test]
async fn chrome_runs_every_scenario() -> Result<()> {
    browser::with_browser(BrowserKind::Chrome, walk).await
}

#[tokio::test]
async fn firefox_runs_every_scenario() -> Result<()> {
    browser::with_browser(BrowserKind::Firefox, walk).await
}

async fn walk(page: &Page) -> Result<()> {
    let server = Serve::start().await?;
    let scenarios: Vec<_> = listed()?.into_iter().flat_map(|(_, names)| names).collect();
    timed("keyboard", use_keyboard(page, &server, &scenarios)).await?;
    timed("axe", check_accessibility(page, &server, &scenarios)).await?;
    timed("keys", keys::check(page)).await?;
    timed("addresses", fuzz::open_all(page)).await?;
    // Two chapters that the page does not load at first.
    let (opened, unopened) = (&scenarios[scenarios.len() - 1], &scenarios[2]);
    timed("offline", offline::reload(page, opened, unopened)).await?;
    timed("files", offline::from_files(page, opened)).await
}

/// Runs one part of a long case and prints its duration.
async fn timed(part: &str, what: impl Future<Output = Result<()>>) -> Result<()> {
    let started = Instant::now();
    let result = what.await;
    eprintln!("{part}: {:.1} s", started.elapsed().as_secs_f64());
    result.context(part.to_owned())
}

async fn use_keyboard(page: &Page, server: &Serve, scenarios: &[String]) -> Result<()> {
    Appearance::USUAL.apply(page).await?;
    page.open(&server.url).await?;
    for scenario in scenarios {
        keyboard::walk(page, scenario).await?;
        page.assert_no_console_errors()
            .await
            .context(scenario.clone())?;
    }
    Ok(())
}

/// Returns light and dark at two widths. Each step changes one setting.
fn appearances() -> [Appearance; 4] {
    let all = [(false, WIDE), (true, WIDE), (true, NARROW), (false, NARROW)];
    all.map(|(is_dark, width)| Appearance {
        is_dark,
        is_still: true,
        width,
    })
}

/// Checks home and the end of each scenario's run with axe.
async fn check_accessibility(page: &Page, server: &Serve, scenarios: &[String]) -> Result<()> {
    page.open(&server.url).await?;
    axe::load(page).await?;
    for appearance in appearances() {
        appearance.apply(page).await?;
        axe::ensure_clean(page, &format!("home, {appearance:?}")).await?;
    }
    for scenario in scenarios {
        for appearance in appearances() {
            appearance.apply(page).await?;
            let is_first = appearance.width == WIDE && !appearance.is_dark;
            if is_first {
                go(page, &format!("#/{scenario}")).await?;
            }
            finish_run(page).await?;
            if is_first {
                ensure_same_trace(page, scenario).await?;
            }
            // Check the guide in light and the source in dark appearances.
            let open = usize::from(appearance.is_dark);
            let open = format!("document.querySelectorAll('#reading details')[{open}].open = true");
            evaluate(page, &open).await?;
            axe::ensure_clean(page, &format!("{scenario}, {appearance:?}")).await?;
        }
    }
    page.assert_no_console_errors().await
}

/// Fails unless the page's simulation has the same records as the native program's.
async fn ensure_same_trace(page: &Page, scenario: &str) -> Result<()> {
    let mut command = native::command();
    command.args(["run", scenario, "--world", "virtual", "--json"]);
    let report: Value = serde_json::from_slice(&command.output()?.stdout)?;
    let digest = report["digest"].as_str().context("no digest")?;
    let shown = "[...document.querySelectorAll('#runs code')].at(-1)?.title";
    let is_same = wait_until(page, &format!("{shown} === '{digest}'")).await;
    is_same.with_context(|| format!("another trace of {scenario} than natively"))
}
