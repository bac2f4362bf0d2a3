//! Screenshots of the home page, the story and each scenario at its decisive moment, in
//! light and dark mode, on a phone and two desktop screens.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::appearance::Appearance;
use crate::browser::{self, Page};
use crate::experiment::{evaluate, finish_run, wait_until};
use crate::native::list_scenarios;
use crate::server::Serve;

/// Widths and heights of the screens in CSS pixels.
const SCREENS: [(u32, u32); 3] = [(1280, 800), (1440, 900), (390, 844)];

/// A stop of the story.
const STORY: &str = "#/handler?policy=swallow&step=2&story=6";

/// The decisive moment of a scenario, as a share of its run: in between for a full
/// queue or a crash, near the end for a comparison.
fn decisive_moment(scenario: &str) -> f64 {
    match scenario {
        "observer" | "backpressure" | "pipeline" => 0.5,
        "taxonomy" => 0.6,
        "blocking" => 0.35,
        "cluster" => 0.45,
        _ => 0.9,
    }
}

/// Writes screenshots such as `NAME-light-390x844.png` to a folder.
pub(crate) async fn take(folder: &Path) -> Result<()> {
    std::fs::create_dir_all(folder)
        .with_context(|| format!("cannot create {}", folder.display()))?;
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        home(page, folder).await?;
        for name in list_scenarios()?.into_iter().flat_map(|(_, names)| names) {
            page.open(&format!("{}#/{name}", server.url)).await?;
            scenario(page, folder, &name, &name)
                .await
                .with_context(|| name)?;
        }
        page.open(&format!("{}{STORY}", server.url)).await?;
        scenario(page, folder, "story", "handler").await?;
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

async fn scenario(page: &Page, folder: &Path, file: &str, name: &str) -> Result<()> {
    Appearance::DEFAULT.apply(page).await?;
    finish_run(page).await?;
    let seek = format!(
        "const slider = document.querySelector('#time');
        slider.value = slider.max * {};
        slider.dispatchEvent(new Event('input'))",
        decisive_moment(name)
    );
    evaluate(page, &seek).await?;
    save_each_appearance(page, folder, file).await
}

async fn save_each_appearance(page: &Page, folder: &Path, name: &str) -> Result<()> {
    for (width, height) in SCREENS {
        for is_dark in [false, true] {
            Appearance {
                is_dark,
                width,
                height,
                has_reduced_motion: false,
            }
            .apply(page)
            .await?;
            // Wait for the repaint.
            tokio::time::sleep(Duration::from_millis(200)).await;
            wait_until(page, "document.readyState === 'complete'").await?;
            let scheme = if is_dark { "dark" } else { "light" };
            let file = folder.join(format!("{name}-{scheme}-{width}x{height}.png"));
            page.screenshot(&file).await?;
        }
    }
    Ok(())
}
