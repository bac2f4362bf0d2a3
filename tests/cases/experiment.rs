//! Helpers that operate and read an experiment's page.

use std::time::Duration;

use anyhow::{Result, bail, ensure};
use fantoccini::Locator;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use crate::browser::Page;

/// Time limit for a condition. Only failing cases wait this long.
const TIMEOUT: Duration = Duration::from_mins(3);

pub(crate) async fn type_into(page: &Page, id: &str, keys: &str) -> Result<()> {
    let element = page.find(&format!("#{id}")).await?;
    Ok(element.send_keys(keys).await?)
}

pub(crate) async fn focused(page: &Page) -> Result<Value> {
    evaluate(page, "return document.activeElement.id").await
}

/// Opens an address, after clearing the verdicts of the previous run.
pub(crate) async fn navigate(page: &Page, fragment: &str) -> Result<()> {
    const SCRIPT: &str = "
        document.querySelector('#verdicts').replaceChildren();
        location.hash = arguments[0];";
    let arguments = vec![Value::from(fragment)];
    page.client.execute(SCRIPT, arguments).await?;
    Ok(())
}

/// Plays the run fast and waits for its verdicts. At normal speed, cases would spend
/// most of their time waiting.
pub(crate) async fn finish_run(page: &Page) -> Result<()> {
    set_speed(page, "16").await?;
    wait_for_verdicts(page).await?;
    set_speed(page, "1").await
}

/// Plays the run at the chosen speed, if it is not yet playing, and waits for its verdicts.
pub(crate) async fn wait_for_verdicts(page: &Page) -> Result<()> {
    const PLAY: &str = "(() => {
        const run = document.querySelector('#run');
        const isJudged = !!document.querySelector('#verdicts [data-check]');
        if (!isJudged && !run.disabled) run.click();
        return isJudged && !run.disabled;
    })()";
    wait_until(page, PLAY).await
}

/// Starts the run of a page that was just opened.
pub(crate) async fn start_run(page: &Page) -> Result<()> {
    wait_until(page, "!document.querySelector('#run').disabled").await?;
    evaluate(page, "document.querySelector('#run').click()")
        .await
        .map(drop)
}

async fn set_speed(page: &Page, speed: &str) -> Result<()> {
    let script = format!("document.querySelector('#speed').value = '{speed}'");
    evaluate(page, &script).await.map(drop)
}

/// Seeks to the middle of the run.
pub(crate) async fn seek_to_the_middle(page: &Page) -> Result<()> {
    let script = "const slider = document.querySelector('#time'); \
                  slider.value = slider.max / 2; slider.dispatchEvent(new Event('input'))";
    evaluate(page, script).await.map(drop)
}

pub(crate) async fn wait_until_visible(page: &Page, selector: &str) -> Result<()> {
    wait_until(
        page,
        &format!("!document.querySelector('{selector}').hidden"),
    )
    .await
}

/// Waits until an expression is true. The page changes every frame, so there is no
/// single event to await.
pub(crate) async fn wait_until(page: &Page, expression: &str) -> Result<()> {
    let deadline = Instant::now() + TIMEOUT;
    while evaluate(page, &format!("return {expression}")).await? != true {
        if Instant::now() > deadline {
            bail!("timed out after {TIMEOUT:?}: {expression}");
        }
        sleep(Duration::from_millis(25)).await;
    }
    Ok(())
}

pub(crate) async fn evaluate(page: &Page, script: &str) -> Result<Value> {
    Ok(page.client.execute(script, Vec::new()).await?)
}

pub(crate) async fn press(page: &Page, id: &str) -> Result<()> {
    let button = page.find(&format!("#{id}")).await?;
    Ok(button.click().await?)
}

pub(crate) async fn choose(page: &Page, key: &str, option: &str) -> Result<()> {
    let control = page.find(&format!("#knob-{key}")).await?;
    Ok(control.select_by_value(option).await?)
}

pub(crate) async fn outcomes(page: &Page) -> Result<Vec<String>> {
    let lines = page.client.find_all(Locator::Css("#verdicts li")).await?;
    let mut outcomes = Vec::new();
    for line in lines {
        outcomes.push(line.attr("class").await?.unwrap_or_default());
    }
    Ok(outcomes)
}

/// Fails if a check failed or fewer than five passed.
pub(crate) async fn ensure_passed(page: &Page) -> Result<()> {
    let outcomes = outcomes(page).await?;
    let count = |outcome: &str| outcomes.iter().filter(|other| *other == outcome).count();
    ensure!(count("failed") == 0 && count("passed") >= 5, "{outcomes:?}");
    Ok(())
}

/// Returns the numbers and the status line.
pub(crate) async fn numbers_and_status(page: &Page) -> Result<(String, String)> {
    Ok((page.text("#numbers").await?, page.text("#status").await?))
}
