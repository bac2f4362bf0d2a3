//! Solving a challenge with the page's controls.

use anyhow::{Result, ensure};
use fantoccini::key::Key;

use crate::browser;
use crate::experiment::{choose, evaluate, finish_run, type_into, wait_until};
use crate::server::Serve;

/// Script that returns the number of unmet goals.
const UNMET_GOAL_COUNT: &str = "return document.querySelectorAll('#challenge .failed').length";

#[tokio::test]
async fn challenge_can_be_met_with_the_controls() -> Result<()> {
    let status_is = |status: &str| {
        format!("document.querySelector('#challenge strong')?.textContent.startsWith('{status}')")
    };
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?seed=7", server.url))
            .await?;
        finish_run(page).await?;
        wait_until(page, &status_is("The last run had a different load")).await?;
        ensure!(
            evaluate(page, UNMET_GOAL_COUNT).await? == 0,
            "a goal is unmet before an attempt"
        );
        page.find("#challenge a").await?.click().await?;
        wait_until(page, &status_is("The last run meets")).await?;
        ensure!(
            evaluate(page, UNMET_GOAL_COUNT).await? != 0,
            "the initial settings already meet all goals"
        );
        choose(page, "design", "events").await?;
        choose(page, "listeners", "async").await?;
        // An inbox has no effect on synchronous listeners.
        wait_until(
            page,
            "document.querySelector('#knob-inbox').checkVisibility()",
        )
        .await?;
        let inbox = Key::Backspace.repeat(2) + "32" + &Key::Enter;
        type_into(page, "knob-inbox", &inbox).await?;
        wait_until(page, &status_is("✓ Challenge met")).await?;
        ensure!(evaluate(page, UNMET_GOAL_COUNT).await? == 0);
        finish_run(page).await?;
        page.assert_no_console_errors().await
    })
    .await
}
