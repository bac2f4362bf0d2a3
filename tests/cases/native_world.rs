//! The page's native world: runs on the server's machine.
#![cfg(target_os = "linux")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use tokio::time::{sleep, timeout};

use crate::browser::{self, Page};
use crate::experiment::{evaluate, press, start_run, wait_until, wait_until_visible};
use crate::server::Serve;

/// Runs that take over a minute and replace no process.
const LONG_RUNS: [&str; 2] = [
    "handler?requests=1000&interval=100&bug_every=0&workers=3",
    "cluster?requests=1000&interval=100&event=none&workers=4",
];

#[tokio::test]
async fn page_shows_the_real_processes() -> Result<()> {
    let server = Serve::start().await?;
    browser::with(async move |page| {
        for run in LONG_RUNS {
            page.open(&format!("{}#/{run}&world=native", server.url))
                .await?;
            let (name, _) = run.split_once('?').context("no settings")?;
            wait_until(page, &format!("document.title.startsWith('{name}')")).await?;
            start_run(page).await?;
            let workers = run.rsplit('=').next().unwrap_or_default();
            let rows = "document.querySelectorAll('#processes tbody tr').length";
            wait_until(page, &format!("{rows} === {workers}")).await?;

            let supervisor = server.supervisor_pid().context("the server has exited")?;
            let worker = serving_process(page).await?;
            ensure!(children_of(supervisor).contains(&worker), "{worker}");
            let shown = process_ids(page).await?;
            ensure!(shown.len().to_string() == workers, "{shown:?}");
            let children = children_of(worker);
            ensure!(
                shown == children,
                "processes on the page: {shown:?}, in the system: {children:?}"
            );

            // Resetting the run or leaving the page terminates the run's processes.
            press(page, "reset").await?;
            wait_until_gone(&shown).await?;
            ensure!(evaluate(page, &format!("return {rows}")).await? == 0);
            press(page, "run").await?;
            wait_until(page, &format!("{rows} === {workers}")).await?;
            let restarted = process_ids(page).await?;
            ensure!(
                restarted.is_disjoint(&shown),
                "processes were reused: {restarted:?} after {shown:?}"
            );
            let link = page.find("#scenarios a").await?;
            link.click().await?;
            wait_until_gone(&restarted).await?;
        }
        page.assert_no_console_errors().await?;
        // A connection that closes during a run is an error.
        page.open(&format!("{}#/{}&world=native", server.url, LONG_RUNS[1]))
            .await?;
        wait_until(page, "document.title.startsWith('cluster')").await?;
        start_run(page).await?;
        wait_until(page, "!!document.querySelector('#processes tbody tr')").await?;
        drop(server);
        wait_until_visible(page, "#trap").await?;
        let trap = page.text("#trap-text").await?;
        ensure!(trap.contains("closed during the run"), "{trap}");
        // The browser's network error is in the console. There must be no exception.
        let entries = page.console().await?;
        ensure!(!entries.iter().any(|it| it.message.contains("Uncaught")));
        Ok(())
    })
    .await
}

/// Returns the id of the serving process, as shown on the page.
async fn serving_process(page: &Page) -> Result<u32> {
    let line = page.text("#threads").await?;
    let (_, rest) = line.split_once("a thread of process ").context("none")?;
    let number = rest.split(|it: char| !it.is_ascii_digit()).next();
    Ok(number.unwrap_or_default().parse()?)
}

/// Returns the process ids in the page's table.
async fn process_ids(page: &Page) -> Result<BTreeSet<u32>> {
    let ids = "return [...document.querySelectorAll('#processes tbody tr')]\
               .map(it => Number(it.cells[3].textContent))";
    Ok(serde_json::from_value(evaluate(page, ids).await?)?)
}

fn children_of(parent: u32) -> BTreeSet<u32> {
    let tasks = fs::read_dir(format!("/proc/{parent}/task"));
    let tasks = tasks.into_iter().flatten().flatten();
    let children = tasks.map(|task| fs::read_to_string(task.path().join("children")));
    let children: Vec<String> = children.flatten().collect();
    let numbers = children.iter().flat_map(|it| it.split_whitespace());
    numbers.flat_map(str::parse).collect()
}

/// Waits until all of these processes have exited.
async fn wait_until_gone(processes: &BTreeSet<u32>) -> Result<()> {
    let is_running = |id: &u32| Path::new(&format!("/proc/{id}")).exists();
    let gone = async {
        while processes.iter().any(is_running) {
            sleep(Duration::from_millis(25)).await;
        }
    };
    let gone = timeout(Duration::from_secs(30), gone).await;
    gone.with_context(|| format!("some of {processes:?} are still running"))
}
