//! The pages of `taxonomy` and `handler`.

use anyhow::{Result, ensure};

use crate::browser;
use crate::experiment::{ENTER, evaluate, finished, focused, press, type_into};
use crate::judged;
use crate::server::Serve;

/// Both scenarios, in each of their designs and policies, and short.
const RUNS: [(&str, &[&str]); 5] = [
    ("taxonomy", &["requests=30", "interval=20"]),
    (
        "taxonomy",
        &["design=catch_all", "requests=30", "interval=20"],
    ),
    ("handler", &SHORT),
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

/// Two workers, and two bugs one after the other.
const SHORT: [&str; 3] = ["requests=24", "interval=20", "bug_every=10"];

#[tokio::test]
async fn both_scenarios_hold_alike_in_the_page_s_worlds_and_natively() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        judged::alike(page, &server, &RUNS).await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn a_crash_in_the_tab_gives_the_place_a_new_worker() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        let address = format!("{}#/handler?{}&world=tab", server.url, SHORT.join("&"));
        page.open(&address).await?;
        finished(page).await?;
        let places = page.text("#processes").await?;
        ensure!(places.contains("✗ a bug → "), "{places}");
        let figures = page.text("#errors").await?;
        ensure!(figures.contains("Restarts 2"), "{figures}");
        ensure!(figures.contains("Wrong answers 0"), "{figures}");
        // From the end back to where somebody is at each place.
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
async fn a_swallowed_bug_is_available_and_wrong() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!(
            "{}#/handler?policy=swallow&operational=0",
            server.url
        ))
        .await?;
        finished(page).await?;
        let figures = page.text("#errors").await?;
        ensure!(figures.contains("Crashes 0"), "{figures}");
        ensure!(!figures.contains("Wrong answers 0"), "{figures}");
        ensure!(figures.contains("Available 9"), "{figures}");
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn the_keyboard_runs_steps_and_goes_back() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        for scenario in ["taxonomy", "handler"] {
            page.open(&format!("{}#/{scenario}", server.url)).await?;
            finished(page).await?;
            let all = async || {
                let mut all = page.text("#numbers").await?;
                all += &page.text("#errors").await?;
                Ok::<_, anyhow::Error>(all)
            };
            let end = all().await?;
            type_into(page, "back", &ENTER.repeat(60)).await?;
            ensure!(focused(page).await? == "back");
            ensure!(all().await? != end, "steps back change something");
            let picture = browser::pictures().join(format!("{scenario}.png"));
            page.screenshot(&picture).await?;
            type_into(page, "step", &ENTER.repeat(60)).await?;
            ensure!(all().await? == end);
            type_into(page, "reset", ENTER).await?;
            ensure!(focused(page).await? == "run");
            type_into(page, "run", ENTER).await?;
            ensure!(focused(page).await? == "pause");
            finished(page).await?;
            ensure!(all().await? == end);
        }
        page.assert_no_console_errors().await
    })
    .await
}
