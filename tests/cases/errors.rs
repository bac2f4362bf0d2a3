//! The `taxonomy` and `handler` pages.

use anyhow::{Result, ensure};

use crate::browser;
use crate::experiment::{evaluate, finish_run, press};
use crate::server::Serve;
use crate::verdicts;

/// Short runs of both scenarios with each design and policy.
const RUNS: [(&str, &[&str]); 5] = [
    ("taxonomy", &["requests=30", "interval=20"]),
    (
        "taxonomy",
        &["design=catch_all", "requests=30", "interval=20"],
    ),
    ("handler", &SHORT_HANDLER_RUN),
    (
        "handler",
        &[
            "policy=swallow",
            "requests=30",
            "interval=20",
            "bug_every=10",
        ],
    ),
    (
        "handler",
        &["policy=crash", "requests=30", "interval=20", "bug_every=10"],
    ),
];

/// A short run with two workers and two bugs.
const SHORT_HANDLER_RUN: [&str; 3] = ["requests=24", "interval=20", "bug_every=10"];

#[tokio::test]
async fn verdicts_agree_in_all_worlds() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        verdicts::ensure_same_verdicts(page, &server, &RUNS).await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn crashed_worker_is_replaced_in_the_tab() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        let address = format!(
            "{}#/handler?{}&world=tab",
            server.url,
            SHORT_HANDLER_RUN.join("&")
        );
        page.open(&address).await?;
        finish_run(page).await?;
        let processes = page.text("#processes").await?;
        ensure!(processes.contains("✗ a bug → "), "{processes}");
        let figures = page.text("#errors").await?;
        ensure!(figures.contains("Restarts 2"), "{figures}");
        ensure!(figures.contains("Wrong answers 0"), "{figures}");
        // After the run, a slot has had a second process. After a reset, it has had
        // none.
        let generation = "[...document.querySelectorAll('#processes tbody tr')]\
                          .map(row => Number(row.cells[2].textContent))\
                          .reduce((most, one) => Math.max(most, one), 0)";
        ensure!(
            evaluate(page, &format!("return {generation}"))
                .await?
                .as_u64()
                >= Some(2)
        );
        press(page, "reset").await?;
        ensure!(evaluate(page, &format!("return {generation}")).await? == 0);
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn swallowed_bug_causes_wrong_answers() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!(
            "{}#/handler?policy=swallow&operational=0",
            server.url
        ))
        .await?;
        finish_run(page).await?;
        let figures = page.text("#errors").await?;
        ensure!(figures.contains("Crashes 0"), "{figures}");
        ensure!(!figures.contains("Wrong answers 0"), "{figures}");
        ensure!(figures.contains("Available 9"), "{figures}");
        page.assert_no_console_errors().await
    })
    .await
}
