//! The `observer` page and links between scenarios.

use anyhow::{Result, ensure};
use fantoccini::Locator;

use crate::browser;
use crate::experiment::{
    ensure_passed, evaluate, finish_run, numbers_and_status, outcomes, press, wait_until,
};
use crate::server::Serve;

/// A short run that exercises every check.
const ALL_CHECKS: &str = "seed=7&interval=40&work=4&reentry=alarm&fail=display&leak=10&readings=12";

#[tokio::test]
async fn every_check_passes_in_the_page_worlds() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        for world in ["virtual", "tab"] {
            page.open(&format!(
                "{}#/observer?{ALL_CHECKS}&world={world}",
                server.url
            ))
            .await?;
            finish_run(page).await?;
            ensure!(page.text("h1").await? == "Observer");
            let outcomes = outcomes(page).await?;
            ensure!(outcomes == ["passed"; 9], "on {world}: {outcomes:?}");
        }
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn back_and_step_return_to_the_same_numbers() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/observer?{ALL_CHECKS}", server.url))
            .await?;
        finish_run(page).await?;
        let end = numbers_and_status(page).await?;
        press(page, "back").await?;
        ensure!(
            numbers_and_status(page).await? != end,
            "a step back did not change the page"
        );
        press(page, "step").await?;
        ensure!(numbers_and_status(page).await? == end);
        let picture = browser::screenshots_dir().join("observer.png");
        page.screenshot(&picture).await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn link_opens_another_scenario() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/observer", server.url)).await?;
        finish_run(page).await?;
        let link = Locator::Css("#scenarios a[href='#/decoupling']");
        page.client.find(link).await?.click().await?;
        wait_until(page, "document.querySelector('h1').textContent === 'decoupling' && !document.querySelector('#verdicts [data-check]')").await?;
        let current = evaluate(
            page,
            "return document.querySelector('#scenarios [aria-current=page]').textContent",
        );
        ensure!(current.await? == "decoupling");
        finish_run(page).await?;
        ensure_passed(page).await?;
        page.assert_no_console_errors().await
    })
    .await
}
