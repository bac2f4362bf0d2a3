//! Display variants: pixel ratios, print and forced colours.

use anyhow::{Result, ensure};
use serde_json::{Value, json};

use crate::axe;
use crate::browser::{self, Page};
use crate::console::Cdp;
use crate::experiment::{evaluate, finish_run, wait_until};
use crate::server::Serve;

async fn emulate(page: &Page, command: &'static str, params: Value) -> Result<()> {
    page.client.issue_cmd(Cdp(command, params)).await?;
    Ok(())
}

#[tokio::test]
async fn paused_picture_is_repainted_when_the_screen_changes() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/backpressure", server.url)).await?;
        finish_run(page).await?;
        for (width, ratio) in [(1280, 1.0), (1280, 2.0), (700, 2.0), (700, 1.5)] {
            let screen = json!({
                "width": width, "height": 900, "deviceScaleFactor": ratio, "mobile": false,
            });
            emulate(page, "Emulation.setDeviceMetricsOverride", screen).await?;
            wait_until(page, &format!("innerWidth === {width}")).await?;
            let is_resized = format!(
                "[['width', 'clientWidth'], ['height', 'clientHeight']].every(([dots, size]) =>
                    Math.abs(picture[dots] - picture[size] * {ratio}) <= 1)"
            );
            wait_until(page, &is_resized).await?;
            // Resizing clears the canvas. Several colours show that it was repainted.
            let colours = "const { width, height } = picture;
                const { data } = picture.getContext('2d').getImageData(0, 0, width, height);
                return new Set(new Uint32Array(data.buffer)).size";
            let colours = evaluate(page, colours).await?;
            ensure!(
                colours.as_u64() > Some(10),
                "{colours} colours at pixel ratio {ratio}"
            );
        }
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn print_is_light_and_hides_controls() -> Result<()> {
    const RECORD_ON_PRINT: &str = "addEventListener('beforeprint', () => {
        window.onPaper = picture.getContext('2d').getImageData(9, 9, 1, 1).data[0];
        window.plotOnPaper = plot.innerHTML;
    })";
    let server = Serve::start().await?;
    browser::with(async |page| {
        let dark = json!([{ "name": "prefers-color-scheme", "value": "dark" }]);
        emulate(
            page,
            "Emulation.setEmulatedMedia",
            json!({ "features": dark }),
        )
        .await?;
        page.open(&format!("{}#/cluster", server.url)).await?;
        finish_run(page).await?;
        wait_until(page, "!!document.querySelector('#plot svg')").await?;
        evaluate(page, RECORD_ON_PRINT).await?;
        let plot = evaluate(page, "return plot.innerHTML").await?;
        emulate(page, "Page.printToPDF", json!({})).await?;
        ensure!(evaluate(page, "return onPaper > 200").await? == true);
        ensure!(evaluate(page, "return plotOnPaper").await? != plot);
        ensure!(evaluate(page, "return plot.innerHTML").await? == plot);
        wait_until(
            page,
            "picture.getContext('2d').getImageData(9, 9, 1, 1).data[0] < 100",
        )
        .await?;
        let paper = json!({ "media": "print", "features": dark });
        emulate(page, "Emulation.setEmulatedMedia", paper).await?;
        let shown = "return ['#run', '#time', '#knobs', '#presets', '#scenarios', '#copy-link',
                '#picture', '#guide', '#verdicts', '#numbers', '#link', 'h1']
            .map(it => document.querySelector(it).checkVisibility())";
        let expected = [[false; 6].as_slice(), &[true; 6]].concat();
        ensure!(evaluate(page, shown).await? == json!(expected));
        let light = "const lightness = (name) =>
                +getComputedStyle(document.body)[name].match(/\\d+/)[0];
            return lightness('color') < 100 && lightness('backgroundColor') > 200";
        ensure!(evaluate(page, light).await? == true);
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn forced_colours_are_readable() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        let forced = json!([{ "name": "forced-colors", "value": "active" }]);
        emulate(
            page,
            "Emulation.setEmulatedMedia",
            json!({ "features": forced }),
        )
        .await?;
        page.open(&format!("{}#/taxonomy", server.url)).await?;
        finish_run(page).await?;
        ensure!(
            evaluate(page, "return matchMedia('(forced-colors: active)').matches").await? == true
        );
        axe::load(page).await?;
        axe::ensure_no_violations(page, "forced colours").await?;
        // Colour is not the only mark of the current preset.
        let current = "return getComputedStyle(
            document.querySelector('#presets [aria-current]'), '::before').content";
        ensure!(evaluate(page, current).await? == "\"✓ \"");
        page.assert_no_console_errors().await
    })
    .await
}
