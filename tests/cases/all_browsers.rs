//! Runs every scenario in each browser. All cases share a browser, because starting one
//! takes longer than most cases.

use std::time::Instant;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::appearance::{Appearance, DESKTOP_WIDTH, NARROW_WIDTH};
use crate::browser::{self, Page};
use crate::driver::BrowserKind;
use crate::experiment::{finish_run, navigate, wait_until};
use crate::native::{self, list_scenarios};
use crate::server::Serve;
use crate::{axe, fuzz, keyboard, keys, offline};

#[tokio::test]
async fn chrome_runs_every_scenario() -> Result<()> {
    browser::with_browser(BrowserKind::Chrome, run_every_case).await
}

#[tokio::test]
async fn firefox_runs_every_scenario() -> Result<()> {
    browser::with_browser(BrowserKind::Firefox, run_every_case).await
}

async fn run_every_case(page: &Page) -> Result<()> {
    let server = Serve::start().await?;
    let scenarios: Vec<_> = list_scenarios()?
        .into_iter()
        .flat_map(|(_, names)| names)
        .collect();
    print_duration("keyboard", use_keyboard(page, &server, &scenarios)).await?;
    print_duration("axe", check_accessibility(page, &server, &scenarios)).await?;
    print_duration("keys", keys::check(page)).await?;
    print_duration("addresses", fuzz::open_all(page)).await?;
    // Neither chapter is loaded on startup.
    let (opened, unopened) = (&scenarios[scenarios.len() - 1], &scenarios[2]);
    print_duration("offline", offline::check_offline(page, opened, unopened)).await?;
    print_duration("files", offline::check_static_server(page, opened)).await
}

/// Runs one part of a long case and prints its duration.
async fn print_duration(part: &str, what: impl Future<Output = Result<()>>) -> Result<()> {
    let started = Instant::now();
    let result = what.await;
    eprintln!("{part}: {:.1} s", started.elapsed().as_secs_f64());
    result.context(part.to_owned())
}

async fn use_keyboard(page: &Page, server: &Serve, scenarios: &[String]) -> Result<()> {
    Appearance::DEFAULT.apply(page).await?;
    page.open(&server.url).await?;
    for scenario in scenarios {
        keyboard::use_scenario(page, scenario).await?;
        page.assert_no_console_errors()
            .await
            .context(scenario.clone())?;
    }
    Ok(())
}

/// Returns light and dark mode at two widths. Neighbours differ in one setting.
fn appearances() -> [Appearance; 4] {
    let all = [
        (false, DESKTOP_WIDTH),
        (true, DESKTOP_WIDTH),
        (true, NARROW_WIDTH),
        (false, NARROW_WIDTH),
    ];
    all.map(|(is_dark, width)| Appearance {
        is_dark,
        width,
        ..Appearance::REDUCED_MOTION
    })
}

/// Checks the home page and each scenario's finished run with axe.
async fn check_accessibility(page: &Page, server: &Serve, scenarios: &[String]) -> Result<()> {
    page.open(&server.url).await?;
    axe::load(page).await?;
    for appearance in appearances() {
        appearance.apply(page).await?;
        axe::ensure_no_violations(page, &format!("home, {appearance:?}")).await?;
    }
    let mut checked = 0;
    for scenario in scenarios {
        for appearance in appearances() {
            appearance.apply(page).await?;
            let is_first = appearance.width == DESKTOP_WIDTH && !appearance.is_dark;
            if is_first {
                navigate(page, &format!("#/{scenario}")).await?;
            }
            finish_run(page).await?;
            if is_first {
                ensure_same_trace(page, scenario).await?;
            }
            // One panel of the drawer is open at a time.
            let panels = [
                "verdicts",
                "numbers",
                "compare",
                "source",
                "challenge",
                "settings",
            ];
            let panel = panels[checked % panels.len()];
            page.reveal(&format!("[aria-labelledby=tab-{panel}]"))
                .await?;
            checked += 1;
            axe::ensure_no_violations(page, &format!("{scenario}, {appearance:?}")).await?;
        }
    }
    page.assert_no_console_errors().await
}

/// Fails unless the page's simulation produces the same records as the native program.
async fn ensure_same_trace(page: &Page, scenario: &str) -> Result<()> {
    let mut command = native::command();
    command.args(["run", scenario, "--world", "virtual", "--json"]);
    let report: Value = serde_json::from_slice(&command.output()?.stdout)?;
    let digest = report["digest"].as_str().context("no digest")?;
    let shown = "[...document.querySelectorAll('#runs code')].at(-1)?.title";
    let is_same = wait_until(page, &format!("{shown} === '{digest}'")).await;
    is_same.with_context(|| format!("{scenario}: the trace differs from the native program's"))
}
