//! The `backpressure` and `pipeline` pages.

use anyhow::{Result, ensure};

use crate::browser::{self, Page};
use crate::experiment::{evaluate, finish_run, seek_to_the_middle};
use crate::server::Serve;

#[tokio::test]
async fn queue_peak_is_in_the_table() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        for (name, query) in [
            ("backpressure", ""),
            ("ignored", "?heed=ignore"),
            ("pipeline", ""),
        ] {
            let scenario = if name == "ignored" {
                "backpressure"
            } else {
                name
            };
            page.open(&format!("{}#/{scenario}{query}", server.url))
                .await?;
            finish_run(page).await?;
            ensure_peak_is_shown(page).await?;
            // Seek from the end to the middle.
            seek_to_the_middle(page).await?;
            ensure_peak_is_shown(page).await?;
            let picture = browser::screenshots_dir().join(format!("{name}.png"));
            page.screenshot(&picture).await?;
        }
        page.assert_no_console_errors().await
    })
    .await
}

/// Fails unless the first queue's peak level is at least 1 KiB.
async fn ensure_peak_is_shown(page: &Page) -> Result<()> {
    const PEAK: &str = "return document.querySelector('#queues tbody tr').cells[3].textContent";
    let peak = evaluate(page, PEAK).await?;
    let is_nonzero = peak
        .as_str()
        .is_some_and(|peak| peak.ends_with("KiB") || peak.ends_with("MiB"));
    ensure!(is_nonzero, "{peak}");
    Ok(())
}
