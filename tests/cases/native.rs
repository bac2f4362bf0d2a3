//! The built `native` program.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A command of the program that `cargo build -p native` made.
pub(crate) fn command() -> Command {
    Command::new(program())
}

/// Its path, found from where cargo put this test: `debug/deps/test-123abc`.
fn program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let program = folder
        .join("native")
        .with_extension(env::consts::EXE_EXTENSION);
    assert!(
        program.is_file(),
        "{} is missing: run `cargo build -p native` first",
        program.display()
    );
    program
}

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
