//! The home page and its animated pictures.

use anyhow::{Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;
use serde_json::Value;

use crate::appearance::Appearance;
use crate::browser::{self, Page};
use crate::experiment::{evaluate, finish_run, focused, navigate, press, type_into, wait_until};
use crate::server::Serve;

/// Expression that returns the content of every picture.
const PICTURES: &str = "[...document.querySelectorAll('#home canvas')].map(it => it.toDataURL())";

/// Scrolls to each card and waits for its picture.
async fn scroll_to_each_card(page: &Page) -> Result<()> {
    for card in 0..9 {
        let canvas = format!("document.querySelectorAll('#home canvas')[{card}]");
        evaluate(page, &format!("{canvas}.scrollIntoView()")).await?;
        // 300 is the default width of a canvas without a picture.
        wait_until(page, &format!("{canvas}.width !== 300")).await?;
    }
    Ok(())
}

async fn first_picture(page: &Page) -> Result<Value> {
    evaluate(page, &format!("return {PICTURES}[0]")).await
}

#[tokio::test]
async fn cards_are_animated_and_open_their_scenario() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        let question = page.text("#home h1").await?;
        ensure!(
            question.starts_with("How does a basic server"),
            "{question}"
        );
        scroll_to_each_card(page).await?;
        let distinct_pictures = format!("new Set({PICTURES}).size");
        ensure!(evaluate(page, &format!("return {distinct_pictures}")).await? == 9);
        // The animation can be paused.
        evaluate(page, "scrollTo(0, 0)").await?;
        let shown = first_picture(page).await?;
        wait_until(
            page,
            &format!("{PICTURES}[0] !== '{}'", shown.as_str().unwrap_or_default()),
        )
        .await?;
        press(page, "motion").await?;
        let stopped = first_picture(page).await?;
        evaluate(
            page,
            "return new Promise(resolve => setTimeout(resolve, 200))",
        )
        .await?;
        ensure!(
            first_picture(page).await? == stopped,
            "a paused picture changed"
        );
        // Open a card and go back.
        let card = Locator::Css("#home a[href='#/pipeline']");
        page.client.find(card).await?.click().await?;
        finish_run(page).await?;
        ensure!(page.text("h1").await? == "Pipeline");
        ensure!(evaluate(page, "return scrollY").await? == 0);
        page.client.back().await?;
        wait_until(page, "document.title === 'Highwater'").await?;
        ensure!(focused(page).await? == "home");
        // The scroll position is restored even if the experiment's page is shorter.
        let scroll_y = "scrollTo(0, document.documentElement.scrollHeight); return scrollY";
        let scroll_y = evaluate(page, scroll_y).await?;
        navigate(page, "#/cluster").await?;
        finish_run(page).await?;
        page.client.back().await?;
        wait_until(page, "document.title === 'Highwater'").await?;
        wait_until(page, &format!("scrollY === {scroll_y}")).await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn reduced_motion_pauses_the_pictures() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        Appearance::REDUCED_MOTION.apply(page).await?;
        page.open(&server.url).await?;
        wait_until(page, "document.querySelector('#home canvas').width !== 300").await?;
        let shown = first_picture(page).await?;
        evaluate(
            page,
            "return new Promise(resolve => setTimeout(resolve, 200))",
        )
        .await?;
        ensure!(first_picture(page).await? == shown);
        ensure!(page.text("#motion").await? == "Play the pictures");
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn arrow_keys_go_through_the_story() -> Result<()> {
    const STOP: &str = "document.querySelector('#story .stop')?.textContent.startsWith('Stop ";
    let server = Serve::start().await?;
    browser::with(async |page| {
        Appearance::REDUCED_MOTION.apply(page).await?;
        page.open(&server.url).await?;
        wait_until(page, "document.querySelectorAll('#stops a').length === 9").await?;
        evaluate(page, "document.querySelector('#stops a').click()").await?;
        let press_key = async |key: Key| {
            let body = page
                .client
                .find(Locator::Css("main:focus, a:focus, body"))
                .await?;
            body.send_keys(&key.to_string()).await
        };
        for stop in 1..=9 {
            wait_until(page, &format!("{STOP}{stop} of 9')")).await?;
            // Each stop has the settings of a step of the guide.
            let is_step = "!!document.querySelector('#run-step') && \
                !document.querySelector('#step-hint').textContent.startsWith('The settings')";
            let address = format!("location.hash.endsWith('&story={stop}')");
            wait_until(page, &format!("{address} && {is_step}")).await?;
            ensure!(
                evaluate(page, "return document.querySelector('#notice').hidden").await? == true
            );
            press_key(Key::Right).await?;
        }
        press_key(Key::Left).await?;
        wait_until(page, &format!("{STOP}8 of 9')")).await?;
        // A control uses arrow keys itself.
        navigate(page, "#/decoupling?seed=1&story=4").await?;
        wait_until(page, "!!document.querySelector('#run-step')").await?;
        type_into(page, "time", &Key::Right.to_string()).await?;
        ensure!(evaluate(page, "return location.hash").await? == "#/decoupling?seed=1&story=4");
        page.assert_no_console_errors().await
    })
    .await
}
