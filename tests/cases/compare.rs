//! Comparing and exporting runs.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use fantoccini::key::Key;
use serde_json::Value;

use crate::browser::{self, Page};
use crate::experiment::{evaluate, focused, press, start_run, wait_until};
use crate::native;
use crate::server::Serve;

const SHORT_RUN: &str = "requests=20&interval=20";

#[tokio::test]
async fn overload_is_said_before_the_run() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        let said = "!overload.hidden && overload.textContent.includes('offered load is 1.20')";
        let settings = "workers=1&interval=20";
        for (work, condition) in [(24, said), (10, "overload.hidden"), (24, said)] {
            let address = format!("{}#/cluster?{settings}&work={work}", server.url);
            page.open(&address).await?;
            wait_until(page, condition).await?;
        }
        Ok(())
    })
    .await
}

#[tokio::test]
async fn runs_are_compared_and_exported() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/handler?{SHORT_RUN}", server.url))
            .await?;
        start_run(page).await?;
        wait_until(page, &has_columns(1)).await?;
        for (world, count) in [("tab", 2), ("native", 3), ("virtual", 3)] {
            let radio = format!("#worlds [value={world}]");
            let radio = page.find(&radio).await?;
            radio.click().await?;
            wait_until(page, &has_columns(count)).await?;
        }
        // The second simulation replaced the first.
        let last = "document.querySelector('#runs th:last-child').textContent";
        wait_until(page, &format!("{last} === 'Simulation'")).await?;
        page.open(&format!(
            "{}#/handler?{SHORT_RUN}&policy=swallow",
            server.url
        ))
        .await?;
        wait_until(page, &has_columns(4)).await?;
        ensure!(
            column_headings(page)
                .await?
                .starts_with("Run policy=supervise, This tab")
        );

        // The digest equals the native program's.
        let shown = evaluate(
            page,
            "return [...document.querySelectorAll('#runs code')].map(it => it.title)",
        );
        let shown = shown.await?;
        let report = native_report()?;
        ensure!(
            shown[3] == report["digest"],
            "shown digests {shown}, native digest {}",
            report["digest"]
        );
        ensure!(shown[2] != shown[3], "{shown}");

        for (name, start) in [("chrome", "{\"traceEvents\""), ("csv", "at_ns,")] {
            let file = format!(
                "handler-virtual.{}",
                if name == "csv" { "csv" } else { "json" }
            );
            let button = format!("#runs td:last-child [name={name}]");
            let button = page.find(&button).await?;
            button.send_keys(&Key::Enter).await?;
            let content = wait_for_download(&page.downloads().join(file)).await?;
            ensure!(content.starts_with(start), "{name}: {}", &content[..40]);
        }
        let metric = page.find("#metric").await?;
        metric.select_by_value("in_flight").await?;
        wait_until(
            page,
            "document.querySelector('#plot svg').textContent.includes('In flight')",
        )
        .await?;
        let button = page.find("#compare [name=svg]").await?;
        button.click().await?;
        let content = wait_for_download(&page.downloads().join("highwater.svg")).await?;
        ensure!(content.starts_with("<svg xmlns=") && content.contains("In flight"));

        let button = page.find("#runs [name=forget]").await?;
        button.send_keys(&Key::Enter).await?;
        wait_until(page, &has_columns(3)).await?;
        ensure!(focused(page).await? == "metric");

        // Opening a listed run replaces it and moves the focus.
        let link = page.find("#runs th a").await?;
        link.send_keys(&Key::Enter).await?;
        wait_until(page, "document.activeElement.id === 'metric'").await?;
        page.open(&format!(
            "{}#/handler?{SHORT_RUN}&policy=swallow",
            server.url
        ))
        .await?;
        wait_until(page, &has_columns(3)).await?;

        // A headless browser may deny clipboard access. The page then selects the link.
        press(page, "copy-link").await?;
        let link = format!("{}#/handler?seed=1&policy=swallow&{SHORT_RUN}", server.url);
        ensure!(page.text("#link").await? == link, "{link}");
        page.open(&format!("{}#/taxonomy", server.url)).await?;
        wait_until(page, "document.title.startsWith('taxonomy')").await?;
        start_run(page).await?;
        wait_until(page, &has_columns(1)).await?;
        ensure!(
            column_headings(page).await? == "Run Simulation",
            "runs of another scenario are still listed"
        );
        page.assert_no_console_errors().await
    })
    .await
}

fn has_columns(count: usize) -> String {
    format!("document.querySelectorAll('#runs thead th').length === {count} + 1")
}

async fn column_headings(page: &Page) -> Result<String> {
    let column_headings = "return [...document.querySelectorAll('#runs thead th')]\
                 .map(it => it.textContent).join(' ')";
    let column_headings = evaluate(page, column_headings).await?;
    Ok(column_headings.as_str().unwrap_or_default().to_owned())
}

/// Returns the native program's report for the same simulation.
fn native_report() -> Result<Value> {
    let mut command = native::command();
    command.args(["run", "handler", "--json", "--world", "virtual"]);
    for setting in SHORT_RUN.split('&').chain(["policy=swallow"]) {
        command.args(["--set", setting]);
    }
    Ok(serde_json::from_slice(&command.output()?.stdout)?)
}

/// Waits for a download and returns its content.
async fn wait_for_download(file: &Path) -> Result<String> {
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while !file.exists() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    fs::read_to_string(file).with_context(|| format!("{} was not downloaded", file.display()))
}
