//! Measures the simulation of a million users in a Worker of the page.

use std::fs;
use std::path::Path;

use anyhow::Result;

use crate::browser;
use crate::experiment::{evaluate, wait_until};
use crate::server::Serve;

/// Runs the page's own Worker, without pictures.
const SCRIPT: &str = r#"
    const worker = new Worker("/worker.js", { type: "module" });
    const pairs = ["users", "1000000", "workers", "8", "event", "reload"];
    let began = 0;
    let simulatedMs = 0;
    worker.onmessage = ({ data }) => {
        if (data.ready) {
            began = performance.now();
            worker.postMessage({ run: { world: "virtual", name: "cluster", pairs } });
        }
        if (data.now) simulatedMs = data.now;
        if (data.bug) window.simulation = { bug: data.bug };
        if (data.end) {
            const seconds = (performance.now() - began) / 1000;
            window.simulation = { seconds, simulated_seconds: simulatedMs / 1000 };
        }
    };
    worker.postMessage({ load: { chapter: "scaling", build: "single" } });"#;

/// Writes the figures of a run as JSON to `path`.
pub(crate) async fn measure(path: &Path) -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        evaluate(page, SCRIPT).await?;
        wait_until(page, "window.simulation !== undefined").await?;
        let found = evaluate(page, "return window.simulation").await?;
        Ok(fs::write(path, found.to_string())?)
    })
    .await
}
