//! The `decoupling` page, served by `highwater serve`.

use anyhow::{Context as _, Result, ensure};
use fantoccini::key::Key;

use crate::browser;
use crate::experiment::{
    choose, ensure_passed, evaluate, finish_run, focused, numbers_and_status, outcomes, press,
    start_run, type_into, wait_for_verdicts, wait_until, wait_until_visible,
};
use crate::server::Serve;

/// A short run that exercises every check. Every email fails.
const SHORT_RUN: &str = "users=4&interval=20&fail_rate=100";

#[tokio::test]
async fn simulation_ends_with_passing_verdicts() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?seed=7", server.url))
            .await?;
        wait_for_verdicts(page).await?;
        ensure_passed(page).await?;
        ensure!(page.text("h1").await? == "Decoupling");
        ensure!(page.text("#clock").await?.contains("simulated"));
        ensure!(
            page.text("#numbers")
                .await?
                .contains("UserService – 12 12 0 0")
        );
        ensure!(page.text("#command").await? == "cargo run -p native -- run decoupling --seed 7");
        ensure!(evaluate(page, "return crossOriginIsolated").await? == true);
        let picture = browser::screenshots_dir().join("decoupling.png");
        page.screenshot(&picture).await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn back_after_step_returns_to_the_same_numbers() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?seed=7&{SHORT_RUN}", server.url))
            .await?;
        finish_run(page).await?;
        press(page, "reset").await?;
        ensure!(page.text("#clock").await?.contains("record 0 of"));
        for _ in 0..20 {
            press(page, "step").await?;
        }
        let (before, moment) = (numbers_and_status(page).await?, page.text("#clock").await?);
        ensure!(moment.contains("record 20 of"), "{moment}");
        press(page, "step").await?;
        ensure!(
            numbers_and_status(page).await? != before,
            "a step did not change the page"
        );
        press(page, "back").await?;
        ensure!(numbers_and_status(page).await? == before);
        ensure!(page.text("#clock").await? == moment);
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn tab_run_uses_a_thread_pool() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        let url = format!("{}#/decoupling?seed=7&{SHORT_RUN}&world=tab", server.url);
        page.open(&url).await?;
        finish_run(page).await?;
        ensure_passed(page).await?;
        ensure!(!page.text("#clock").await?.contains("simulated"));
        let threads = page.text("#threads").await?;
        ensure!(threads.contains("counted 17,984 primes"), "{threads}");
        let (_, ids) = threads.split_once("(ids ").context("no ids")?;
        let ids: Vec<&str> = ids.split(')').next().unwrap_or("").split(", ").collect();
        ensure!(ids.len() >= 2, "{threads}");
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn failed_direct_call_fails_the_registration() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?{SHORT_RUN}", server.url))
            .await?;
        finish_run(page).await?;
        ensure!(
            page.text("#verdicts")
                .await?
                .contains("0 registrations failed")
        );
        // Use the control, like a user.
        choose(page, "design", "direct").await?;
        wait_until(
            page,
            "location.hash.includes('direct') && !document.querySelector('#verdicts [data-check]')",
        )
        .await?;
        finish_run(page).await?;
        ensure!(
            page.text("#verdicts")
                .await?
                .contains("4 registrations failed")
        );
        ensure!(page.text("#command").await?.contains("--set design=direct"));
        let address = page.client.current_url().await?;
        ensure!(address.as_str().contains("&design=direct"), "{address}");
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn unknown_keys_are_reported_and_ignored() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        let query = "seed=x&usres=3&users=0&design=%E0%A4%A&world=mars";
        page.open(&format!("{}#/decoupling?{query}", server.url))
            .await?;
        let notice = page.text("#notice").await?;
        for expected in [
            "seed must be 0 to",
            "unknown parameter \"usres\" (did you mean \"users\"?)",
            "users must be 1 to 10000",
            "design must be events or direct",
            "this page has no world \"mars\"",
        ] {
            ensure!(notice.contains(expected), "{expected} is not in: {notice}");
        }
        finish_run(page).await?;
        ensure!(page.text("#command").await? == "cargo run -p native -- run decoupling --seed 1");
        page.open(&format!("{}#/decuopling", server.url)).await?;
        let notice = page.text("#notice").await?;
        ensure!(notice.contains("did you mean \"decoupling\"?"), "{notice}");
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn trap_is_reported_and_restart_works() -> Result<()> {
    let server = Serve::start().await?;
    for world in ["virtual", "tab"] {
        browser::with(async |page| {
            let url = format!(
                "{}#/decoupling?{SHORT_RUN}&fault=panic&world={world}",
                server.url
            );
            page.open(&url).await?;
            start_run(page).await?;
            wait_until_visible(page, "#trap").await?;
            let text = page.text("#trap-text").await?;
            ensure!(text.contains("EmailService has a bug"), "{text}");
            let outcomes = outcomes(page).await?;
            ensure!(outcomes.iter().all(|outcome| outcome == "failed"));
            // The records before the trap are shown.
            press(page, "back").await?;
            ensure!(page.text("#numbers").await?.contains("UserService"));
            // A restart hits the bug again, in a new Worker.
            press(page, "restart").await?;
            wait_until_visible(page, "#trap").await?;
            choose(page, "fault", "error").await?;
            wait_until(page, "document.querySelector('#trap').hidden").await?;
            finish_run(page).await?;
            ensure_passed(page).await?;
            Ok(())
        })
        .await
        .with_context(|| format!("on {world}"))?;
    }
    Ok(())
}

#[tokio::test]
async fn terminated_worker_is_reported() -> Result<()> {
    // Keeps a reference to the page's Worker, so the case can terminate it. Termination
    // fires no event, just like a Worker that the browser kills.
    const KEEP_WORKER: &str = "
        const Real = Worker;
        window.Worker = class extends Real {
            constructor(...how) { super(...how); window.latest = this; }
        };";
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling", server.url)).await?;
        finish_run(page).await?;
        evaluate(page, KEEP_WORKER).await?;
        evaluate(page, "location.hash = '#/decoupling?world=tab'").await?;
        wait_until(
            page,
            "+document.querySelector('#numbers td:nth-child(3)')?.textContent > 3",
        )
        .await?;
        evaluate(page, "latest.terminate()").await?;
        wait_until_visible(page, "#trap").await?;
        let text = page.text("#trap-text").await?;
        ensure!(text.contains("its Worker exited"), "{text}");
        press(page, "restart").await?;
        finish_run(page).await?;
        ensure_passed(page).await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn keyboard_focus_moves_to_the_enabled_button() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?{SHORT_RUN}", server.url))
            .await?;
        finish_run(page).await?;
        // The skip link focuses the experiment without changing it.
        type_into(page, "skip", &Key::Enter).await?;
        ensure!(focused(page).await? == "experiment");
        ensure!(page.text("#command").await?.contains("--set users=4"));
        // Pressing a preset does not move the focus.
        evaluate(
            page,
            "document.querySelector('#presets button').id = 'preset'",
        )
        .await?;
        type_into(page, "preset", &Key::Enter).await?;
        wait_until(page, "location.hash === '#/decoupling?seed=1'").await?;
        ensure!(focused(page).await? == "preset");
        // Disabling a focused button moves the focus to its counterpart.
        type_into(page, "pause", &Key::Enter).await?;
        ensure!(focused(page).await? == "run");
        type_into(page, "run", &Key::Enter).await?;
        ensure!(focused(page).await? == "pause");
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn out_of_range_value_blocks_other_changes() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?{SHORT_RUN}", server.url))
            .await?;
        finish_run(page).await?;
        let before = page.client.current_url().await?;
        let users = page.find("#knob-users").await?;
        users.clear().await?;
        users.send_keys(&("0" + &Key::Tab)).await?;
        wait_until_visible(page, "#problem-users").await?;
        choose(page, "design", "direct").await?;
        ensure!(page.client.current_url().await? == before);
        type_into(
            page,
            "knob-users",
            &[&Key::Delete, &Key::Backspace, "3", &Key::Tab].concat(),
        )
        .await?;
        wait_until(
            page,
            "location.hash.includes('users=3') && location.hash.includes('direct')",
        )
        .await?;
        finish_run(page).await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn run_continues_after_a_step_past_the_end() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        // The second user arrives after three seconds, so a step finds no record at first.
        let query = "users=2&interval=3000&world=tab";
        page.open(&format!("{}#/decoupling?{query}", server.url))
            .await?;
        start_run(page).await?;
        evaluate(page, "document.querySelector('#speed').value = '1'").await?;
        wait_until(
            page,
            "document.querySelector('#clock').textContent.includes('record 8')",
        )
        .await?;
        press(page, "step").await?;
        press(page, "run").await?;
        finish_run(page).await?;
        ensure!(
            page.text("#numbers")
                .await?
                .contains("UserService – 2 2 0 0")
        );
        page.assert_no_console_errors().await
    })
    .await
}
