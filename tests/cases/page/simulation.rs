//! Measures the simulation of a million users in a Worker of the page.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use highwater::trace::{PackedBatch, RecordBatch};
use serde::Deserialize;
use serde_json::Value;

use crate::browser::{self, Page};
use crate::experiment::{evaluate, wait_until};
use crate::million_users::{ClusterRun, ROUNDS, SETTINGS, count_requests};
use crate::server::Serve;

/// Runs the page's own Worker, without pictures. Takes the parameters.
const SCRIPT: &str = r#"
    const pairs = arguments[0];
    const worker = new Worker("/worker.js", { type: "module" });
    const batches = [];
    let began = 0;
    let simulatedMs = 0;
    window.simulation = undefined;
    worker.onmessage = ({ data }) => {
        if (data.ready) {
            began = performance.now();
            worker.postMessage({ run: { world: "virtual", name: "cluster", pairs } });
        }
        if (data.words) batches.push([data.names, data.words]);
        if (data.now) simulatedMs = data.now;
        if (data.bug) window.simulation = { bug: data.bug };
        if (data.end) {
            const seconds = (performance.now() - began) / 1000;
            window.simulation = {
                seconds,
                simulated_seconds: simulatedMs / 1000,
                batches: batches.map(([names, words]) => [names, Array.from(words, String)]),
            };
            worker.terminate();
        }
    };
    worker.postMessage({ load: { chapter: "scaling", build: "single" } });"#;

/// A run as the script reports it.
#[derive(Deserialize)]
struct Report {
    seconds: f64,
    simulated_seconds: f64,
    /// The names and the words of each batch. JSON has no 64-bit numbers.
    batches: Vec<(Vec<String>, Vec<String>)>,
}

/// Writes the figures of all rounds as JSON to `path`.
pub(crate) async fn measure(path: &Path) -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&server.url).await?;
        let mut runs = Vec::new();
        for _ in 0..ROUNDS {
            runs.push(run(page).await?);
        }
        Ok(fs::write(path, serde_json::to_string(&runs)?)?)
    })
    .await
}

async fn run(page: &Page) -> Result<ClusterRun> {
    let pairs: Vec<_> = SETTINGS
        .iter()
        .flat_map(|&(key, value)| [key, value])
        .collect();
    page.client
        .execute(SCRIPT, vec![Value::from(pairs)])
        .await?;
    wait_until(page, "window.simulation !== undefined").await?;
    let found = evaluate(page, "return window.simulation").await?;
    if let Some(bug) = found.get("bug") {
        bail!("the simulation in Chrome failed: {bug}");
    }
    let report: Report = serde_json::from_value(found)?;
    let mut events = Vec::new();
    for (names, words) in report.batches {
        let words = words
            .iter()
            .map(|word| word.parse())
            .collect::<Result<_, _>>()?;
        events.extend(RecordBatch::try_from(PackedBatch { names, words })?.events);
    }
    Ok(ClusterRun {
        seconds: report.seconds,
        simulated_seconds: report.simulated_seconds,
        requests: count_requests(&events).context("the run has no requests")?,
    })
}
