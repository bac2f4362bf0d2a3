//! Moments of a run: changing parameters from a moment on, and linking to it.

use anyhow::{Context as _, Result, ensure};
use fantoccini::Locator;
use fantoccini::key::Key;

use crate::browser;
use crate::experiment::{
    ensure_passed, evaluate, finish_run, focused, numbers_and_status, press, seek_to_the_middle,
    type_into, wait_until, wait_until_visible,
};
use crate::server::Serve;

#[tokio::test]
async fn change_from_this_moment_keeps_the_past() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?seed=7", server.url))
            .await?;
        let speed = page.client.find(Locator::Id("speed")).await?;
        speed.select_by_value("16").await?;
        finish_run(page).await?;
        // Halfway along the slider.
        type_into(page, "time", &(Key::Home + &Key::PageUp.repeat(5))).await?;
        let (before, moment) = (numbers_and_status(page).await?, page.text("#clock").await?);
        let (_, record) = moment.split_once("record ").context("no record")?;
        let record: u32 = record.split(' ').next().unwrap_or("").parse()?;
        ensure!(record > 40 && record < 140, "{moment}");
        press(page, "fork").await?;
        ensure!(
            evaluate(
                page,
                "return document.querySelector('#knob-users').disabled"
            )
            .await?
                == true
        );
        let slower = Key::Backspace.repeat(2) + "400" + &Key::Enter;
        type_into(page, "knob-email_latency", &slower).await?;
        wait_until(page, "location.hash.includes('&email_latency@')").await?;
        finish_run(page).await?;
        ensure_passed(page).await?;
        ensure!(
            page.text("#changes")
                .await?
                .contains("email_latency = 400 set at ")
        );
        let command = page.text("#command").await?;
        ensure!(command.contains(" --set email_latency@"), "{command}");
        press(page, "reset").await?;
        let steps = format!(
            "for (let i = 0; i < {record}; i += 1) document.querySelector('#step').click()"
        );
        evaluate(page, &steps).await?;
        ensure!(
            numbers_and_status(page).await? == before,
            "the numbers before the change differ"
        );
        type_into(page, "drop", &Key::Enter).await?;
        wait_until(page, "!location.hash.includes('@')").await?;
        ensure!(
            focused(page).await? == "speed",
            "the focus did not move from the hidden button"
        );
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn link_to_a_record_works_in_both_worlds() -> Result<()> {
    const SEEK_TO_THIRD_RECORD: &str = "
        const record = () => +document.querySelector('#clock').textContent.match(/record (\\d+)/)[1];
        while (record() > 3) document.querySelector('#back').click();
        while (record() < 3) document.querySelector('#step').click();";
    let server = Serve::start().await?;
    browser::with(async |page| {
        for world in ["virtual", "tab"] {
            page.open("about:blank").await?;
            page.open(&format!("{}#/taxonomy?world={world}", server.url))
                .await?;
            finish_run(page).await?;
            // Many records share the start time, and the slider plays all of them.
            type_into(page, "time", &Key::Home).await?;
            evaluate(page, SEEK_TO_THIRD_RECORD).await?;
            press(page, "copy-link").await?;
            let link = page.text("#link").await?;
            ensure!(link.ends_with("&at=3"), "{link}");
            page.open("about:blank").await?;
            page.open(&link).await?;
            wait_until(
                page,
                "document.querySelector('#clock').textContent.includes('record 3 of ')",
            )
            .await?;
            wait_until(page, "!document.querySelector('#run').disabled").await?;
        }
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn link_opens_a_run_that_dies() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?fault=panic&at=5", server.url))
            .await?;
        wait_until_visible(page, "#trap").await?;
        let clock = page.text("#clock").await?;
        ensure!(clock.contains("record 5 of "), "{clock}");
        // After a restart, the run plays up to the crash.
        press(page, "restart").await?;
        wait_until(page, "document.querySelector('#trap').hidden").await?;
        wait_until_visible(page, "#trap").await?;
        let clock = page.text("#clock").await?;
        ensure!(!clock.contains("record 5 of "), "{clock}");
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn link_reopens_the_paused_moment() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        for scenario in ["observer", "cluster"] {
            page.open(&format!("{}#/{scenario}?seed=7", server.url))
                .await?;
            finish_run(page).await?;
            let link_to_run = page.text("#link").await?;
            press(page, "copy-link").await?;
            ensure!(
                page.text("#link").await? == link_to_run,
                "the link to a finished run contains a moment"
            );
            seek_to_the_middle(page).await?;
            // Step to the next record. Its timestamp may not be unique.
            press(page, "step").await?;
            let (before, clock) = (numbers_and_status(page).await?, page.text("#clock").await?);
            press(page, "copy-link").await?;
            let link = page.text("#link").await?;
            ensure!(link.starts_with(&format!("{link_to_run}&at=")), "{link}");
            page.open("about:blank").await?;
            page.open(&link).await?;
            wait_until(page, "!document.querySelector('#fork').parentNode.hidden").await?;
            ensure!(
                page.text("#clock").await? == clock,
                "{link} opens a different moment"
            );
            ensure!(
                numbers_and_status(page).await? == before,
                "{link} shows different numbers"
            );
            ensure!(page.text("#notice").await?.is_empty());
            press(page, "run").await?;
            finish_run(page).await?;
        }
        for at in ["noon", "1e999", "4294967296"] {
            page.open("about:blank").await?;
            page.open(&format!("{}#/observer?at={at}", server.url))
                .await?;
            finish_run(page).await?;
            let notice = page.text("#notice").await?;
            ensure!(
                notice.contains("at must be a record number"),
                "{at}: {notice}"
            );
        }
        page.assert_no_console_errors().await
    })
    .await
}

/// Clicks in the middle of a label's area in the picture, which is found by moving the
/// pointer over it.
const CLICK_IN_PICTURE: &str = "
    const picture = document.querySelector('#picture');
    const { left, top, width, height } = picture.getBoundingClientRect();
    for (let y = 4; y < height; y += 8) for (let x = 4; x < width; x += 8) {
        const at = { clientX: left + x, clientY: top + y };
        picture.dispatchEvent(new MouseEvent('mousemove', at));
        if (picture.title.startsWith(arguments[0])) return picture.dispatchEvent(new MouseEvent('click', at));
    }
    return false;";

#[tokio::test]
async fn action_changes_a_parameter_from_this_moment() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?seed=7&fail=none", server.url))
            .await?;
        finish_run(page).await?;
        seek_to_the_middle(page).await?;
        let click = vec!["EmailService: fail".into()];
        ensure!(page.client.execute(CLICK_IN_PICTURE, click).await? == true);
        wait_until(page, "/&fail@\\d+=email/.test(location.hash)").await?;
        finish_run(page).await?;
        ensure_passed(page).await?;
        ensure!(
            page.text("#changes")
                .await?
                .starts_with("fail = email set at ")
        );
        // A button does the same, and a parameter that cannot change starts a new run.
        let press_action = |text: &str| {
            format!(
                "[...document.querySelectorAll('#actions button')]\
                 .find((it) => it.textContent === '{text}').click()"
            )
        };
        page.open(&format!("{}#/cluster?seed=7", server.url))
            .await?;
        finish_run(page).await?;
        seek_to_the_middle(page).await?;
        evaluate(page, &press_action("Worker: hang one (new run)")).await?;
        wait_until(page, "location.hash === '#/cluster?seed=7&event=hang'").await?;
        page.assert_no_console_errors().await
    })
    .await
}
