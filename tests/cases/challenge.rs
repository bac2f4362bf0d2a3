//! Solving a challenge with the controls of the page.

use anyhow::{Result, ensure};
use fantoccini::Locator;

use crate::browser;
use crate::experiment::{BACKSPACE, ENTER, choose, evaluate, finish_run, type_into, wait_until};
use crate::server::Serve;

/// Script that counts the goals not met.
const GOALS_MISSED: &str = "return document.querySelectorAll('#challenge .failed').length";

#[tokio::test]
async fn challenge_can_be_met_with_the_controls() -> Result<()> {
    let says = |status: &str| {
        format!("document.querySelector('#challenge strong')?.textContent.startsWith('{status}')")
    };
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/decoupling?seed=7", server.url))
            .await?;
        wait_until(page, &says("The last run had a different load")).await?;
        ensure!(
            evaluate(page, GOALS_MISSED).await? == 0,
            "goals are open before an attempt"
        );
        let take = Locator::Css("#challenge a");
        page.client.find(take).await?.click().await?;
        wait_until(page, &says("The last run meets")).await?;
        ensure!(
            evaluate(page, GOALS_MISSED).await? != 0,
            "the start must not meet all goals"
        );
        choose(page, "design", "events").await?;
        choose(page, "listeners", "async").await?;
        let inbox = [&BACKSPACE.repeat(2), "32", ENTER].concat();
        type_into(page, "knob-inbox", &inbox).await?;
        wait_until(page, &says("✓ The last run meets it")).await?;
        ensure!(evaluate(page, GOALS_MISSED).await? == 0);
        finish_run(page).await?;
        page.assert_no_console_errors().await
    })
    .await
}
