//! What the built `native` program says of a run.

use crate::native::command;
use anyhow::{Context as _, Result};
use serde_json::Value;

/// How each check comes out where the program runs it.
pub(crate) fn outcomes(scenario: &str, set: &[&str], world: &str) -> Result<Vec<String>> {
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
