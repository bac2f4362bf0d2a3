//! Screenshots of the home page and each scenario, in light and dark mode, at phone and
//! desktop widths.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use crate::appearance::Appearance;
use crate::browser::{self, Page};
use crate::console::Cdp;
use crate::experiment::{evaluate, finish_run, press, wait_until};
use crate::native::list_scenarios;
use crate::server::Serve;

/// Phone and desktop widths in CSS pixels.
const WIDTHS: [u32; 2] = [360, 1280];

/// Maximum height of a screenshot.
const MAX_HEIGHT: f64 = 4000.0;

/// Number of steps back from the end of a run, to where the picture shows more.
const STEPS_BACK: usize = 12;

/// Writes screenshots such as `NAME-light-360.png` to a folder.
pub(crate) async fn take(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        home(page, folder).await?;
        for name in list_scenarios()?.into_iter().flat_map(|(_, names)| names) {
            page.open(&format!("{}#/{name}", server.url)).await?;
            scenario(page, folder, &name).await.with_context(|| name)?;
        }
        Ok(())
    })
    .await?;
    println!("{}", folder.display());
    Ok(())
}

async fn home(page: &Page, folder: &Path) -> Result<()> {
    Appearance::DEFAULT.apply(page).await?;
    // Pictures load when they become visible.
    evaluate(
        page,
        "
        return (async () => {
            for (const canvas of document.querySelectorAll('#home canvas')) {
                canvas.scrollIntoView();
                while (canvas.width === 300) await new Promise(requestAnimationFrame);
            }
            scrollTo(0, 0);
        })()",
    )
    .await?;
    save_each_appearance(page, folder, "home").await
}

async fn scenario(page: &Page, folder: &Path, name: &str) -> Result<()> {
    Appearance::DEFAULT.apply(page).await?;
    finish_run(page).await?;
    for _ in 0..STEPS_BACK {
        press(page, "back").await?;
    }
    save_each_appearance(page, folder, name).await
}

async fn save_each_appearance(page: &Page, folder: &Path, name: &str) -> Result<()> {
    for width in WIDTHS {
        for is_dark in [false, true] {
            Appearance {
                is_dark,
                width,
                has_reduced_motion: false,
            }
            .apply(page)
            .await?;
            // Wait for the repaint.
            tokio::time::sleep(Duration::from_millis(200)).await;
            wait_until(page, "document.readyState === 'complete'").await?;
            let scheme = if is_dark { "dark" } else { "light" };
            let file = folder.join(format!("{name}-{scheme}-{width}.png"));
            std::fs::write(&file, full_page_screenshot(page, width).await?)
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
    }
    Ok(())
}

/// Takes a screenshot of the whole page.
async fn full_page_screenshot(page: &Page, width: u32) -> Result<Vec<u8>> {
    let height = evaluate(page, "return document.documentElement.scrollHeight").await?;
    let height = height.as_f64().context("no height")?.min(MAX_HEIGHT);
    let clip = json!({ "x": 0, "y": 0, "width": width, "height": height, "scale": 1 });
    let options = json!({ "captureBeyondViewport": true, "clip": clip });
    let answer: Value = page
        .client
        .issue_cmd(Cdp("Page.captureScreenshot", options))
        .await?;
    let data = answer["data"].as_str().context("no picture")?;
    Ok(BASE64_STANDARD.decode(data)?)
}
