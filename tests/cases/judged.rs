//! How each check comes out: in each of the page's worlds as where the built
//! `native` program runs it.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::browser::Page;
use crate::experiment::{finished, outcomes};
use crate::native::command;
use crate::server::Serve;

/// Runs scenarios, as they are set, in all worlds: no check fails, some pass, and
/// each comes out alike.
pub(crate) async fn alike(page: &Page, server: &Serve, runs: &[(&str, &[&str])]) -> Result<()> {
    for (scenario, set) in runs {
        let expected = native_outcomes(scenario, set, "virtual")?;
        ensure!(!expected.iter().any(|it| it == "failed"), "{expected:?}");
        let count = expected.iter().filter(|it| *it == "passed").count();
        ensure!(count >= 4, "{scenario} {set:?}: {expected:?}");
        ensure!(
            native_outcomes(scenario, set, "native")? == expected,
            "{scenario} {set:?}, natively"
        );
        for world in ["virtual", "tab"] {
            let query = set.join("&");
            let address = format!("{}#/{scenario}?{query}&world={world}", server.url);
            page.open(&address).await?;
            finished(page).await?;
            let outcomes = outcomes(page).await?;
            ensure!(
                outcomes == expected,
                "{scenario} {set:?} on {world}: {outcomes:?}, not {expected:?}"
            );
        }
    }
    Ok(())
}

/// How each check comes out where the program runs it.
fn native_outcomes(scenario: &str, set: &[&str], world: &str) -> Result<Vec<String>> {
    let mut command = command();
    command.args(["run", scenario, "--json", "--world", world]);
    for assignment in set {
        command.args(["--set", assignment]);
    }
    let report: Value = serde_json::from_slice(&command.output()?.stdout)?;
    let verdicts = report["verdicts"].as_array().context("no verdicts")?;
    let outcomes = verdicts.iter().map(|it| it["outcome"].as_str());
    Ok(outcomes.flatten().map(str::to_owned).collect())
}
