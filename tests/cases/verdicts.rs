//! Compares verdicts of the page's worlds with those of the native program.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;
use tokio::process::Command;

use crate::browser::Page;
use crate::experiment::{finish_run, outcomes};
use crate::native::command;
use crate::server::Serve;

/// Runs scenarios with these settings in all worlds. Fails if a check fails, if fewer
/// than four pass, or if the outcomes differ.
pub(crate) async fn ensure_same_verdicts(
    page: &Page,
    server: &Serve,
    runs: &[(&str, &[&str])],
) -> Result<()> {
    for (scenario, set) in runs {
        // Both take real time, so they run concurrently.
        let (natively, on_the_page) = tokio::join!(
            native_outcomes(scenario, set, "native"),
            page_outcomes(page, server, scenario, set),
        );
        let expected = native_outcomes(scenario, set, "virtual").await?;
        ensure!(!expected.iter().any(|it| it == "failed"), "{expected:?}");
        let count = expected.iter().filter(|it| *it == "passed").count();
        ensure!(
            count >= 4,
            "{scenario} {set:?}: fewer than four checks passed: {expected:?}"
        );
        ensure!(
            natively? == expected,
            "{scenario} {set:?}: native outcomes differ from the simulation"
        );
        for (world, outcomes) in on_the_page? {
            ensure!(
                outcomes == expected,
                "{scenario} {set:?} on {world}: outcomes {outcomes:?}, expected {expected:?}"
            );
        }
    }
    Ok(())
}

/// Returns the outcomes of the checks in the page's own worlds.
async fn page_outcomes(
    page: &Page,
    server: &Serve,
    scenario: &str,
    set: &[&str],
) -> Result<Vec<(&'static str, Vec<String>)>> {
    let mut outcomes_by_world = Vec::new();
    for world in ["virtual", "tab"] {
        let query = set.join("&");
        let address = format!("{}#/{scenario}?{query}&world={world}", server.url);
        page.open(&address).await?;
        finish_run(page).await?;
        outcomes_by_world.push((world, outcomes(page).await?));
    }
    Ok(outcomes_by_world)
}

/// Returns the outcomes of the checks in the native program.
async fn native_outcomes(scenario: &str, set: &[&str], world: &str) -> Result<Vec<String>> {
    let mut command = Command::from(command());
    command.args(["run", scenario, "--json", "--world", world]);
    for assignment in set {
        command.args(["--set", assignment]);
    }
    let report: Value = serde_json::from_slice(&command.output().await?.stdout)?;
    let verdicts = report["verdicts"].as_array().context("no verdicts")?;
    let outcomes = verdicts.iter().map(|it| it["outcome"].as_str());
    Ok(outcomes.flatten().map(str::to_owned).collect())
}
