//! The `blocking`, `threads` and `cluster` pages.

use anyhow::{Result, ensure};
use fantoccini::key::Key;

use crate::browser;
use crate::experiment::{evaluate, finish_run, focused, press, type_into, wait_until};
use crate::server::Serve;
use crate::verdicts;

/// Short runs of each scenario with each mode and event.
const RUNS: [(&str, &[&str]); 9] = [
    ("blocking", &SHORT_BLOCKING_RUN),
    (
        "blocking",
        &["run=offloaded", "requests=40", "interval=20", "size=400"],
    ),
    ("threads", &["threads=2", "jobs=16", "size=5"]),
    ("cluster", &SHORT_CLUSTER_RUN),
    (
        "cluster",
        &[
            "event=hang",
            SHORT_CLUSTER_RUN[0],
            SHORT_CLUSTER_RUN[1],
            SHORT_CLUSTER_RUN[2],
        ],
    ),
    (
        "cluster",
        &[
            "event=crash_loop",
            SHORT_CLUSTER_RUN[0],
            SHORT_CLUSTER_RUN[1],
            SHORT_CLUSTER_RUN[2],
        ],
    ),
    (
        "cluster",
        &[
            "event=reload",
            SHORT_CLUSTER_RUN[0],
            SHORT_CLUSTER_RUN[1],
            SHORT_CLUSTER_RUN[2],
        ],
    ),
    (
        "cluster",
        &[
            "event=reload",
            "restart=stop_then_start",
            SHORT_CLUSTER_RUN[0],
            SHORT_CLUSTER_RUN[1],
            SHORT_CLUSTER_RUN[2],
        ],
    ),
    (
        "cluster",
        &[
            "event=bad_reload",
            SHORT_CLUSTER_RUN[0],
            SHORT_CLUSTER_RUN[1],
            SHORT_CLUSTER_RUN[2],
        ],
    ),
];

const SHORT_BLOCKING_RUN: [&str; 3] = ["requests=40", "interval=20", "size=300"];

/// On a slow machine, a request with a long service time could exceed the heartbeat
/// timeout.
const SHORT_CLUSTER_RUN: [&str; 3] = ["requests=50", "interval=20", "times=fixed"];

#[tokio::test]
async fn verdicts_agree_in_all_worlds() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        verdicts::ensure_same_verdicts(page, &server, &RUNS).await?;
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn killed_worker_is_replaced_in_the_tab() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/cluster?world=tab&times=fixed", server.url))
            .await?;
        finish_run(page).await?;
        let processes = page.text("#processes").await?;
        ensure!(
            processes.contains("✗ killed from outside → "),
            "{processes}"
        );
        let figures = page.text("#figures").await?;
        ensure!(figures.contains("Requests 120"), "{figures}");
        ensure!(figures.contains("Rejected 0"), "{figures}");
        ensure!(figures.contains("Failed workers 1"), "{figures}");
        // After a reset, no process has started.
        press(page, "reset").await?;
        let rows = "return document.querySelectorAll('#processes tbody tr').length";
        ensure!(evaluate(page, rows).await? == 0);
        page.assert_no_console_errors().await
    })
    .await
}

#[tokio::test]
async fn freezing_the_tab_is_measured() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async |page| {
        page.open(&format!("{}#/blocking?{}", server.url, SHORT_BLOCKING_RUN.join("&")))
            .await?;
        finish_run(page).await?;
        ensure!(evaluate(page, "return document.getElementById('freezes').hidden").await? == true);
        type_into(page, "freeze-now", &Key::Enter).await?;
        wait_until(
            page,
            "document.querySelectorAll('#freezes tbody tr').length === 1",
        )
        .await?;
        let row = "return [...document.querySelector('#freezes tbody tr').cells]\
                   .map(it => parseInt(it.textContent))";
        let figures = evaluate(page, row).await?;
        // Columns: blocked for, longest frame gap, heartbeat late by, heartbeats
        // missed.
        let at = |index: usize| figures[index].as_u64().unwrap_or(0);
        ensure!(at(1) >= 500 && at(2) >= 400 && at(3) >= 400, "{figures}");
        ensure!(at(4) >= 10, "{figures}");
        let status = page.text("#freeze-status").await?;
        ensure!(status.contains("This tab was frozen"), "{status}");
        ensure!(focused(page).await? == "freeze-now");
        // Other scenarios have no freeze controls.
        page.open(&format!("{}#/cluster", server.url)).await?;
        finish_run(page).await?;
        let is_visible = "return ['freeze', 'freezes'].some(id => document.getElementById(id).checkVisibility())";
        ensure!(evaluate(page, is_visible).await? == false);
        page.assert_no_console_errors().await
    })
    .await
}
