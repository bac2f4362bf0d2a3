//! The built `highwater` program.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// Returns a command for the program built by `cargo build -p native`.
pub(crate) fn command() -> Command {
    Command::new(program())
}

/// Returns the chapters and scenarios printed by `highwater list`.
pub(crate) fn list_scenarios() -> Result<Vec<(String, Vec<String>)>> {
    let output = command().args(["list", "--json"]).output()?;
    let catalogue: Value = serde_json::from_slice(&output.stdout)?;
    let mut chapters: Vec<(String, Vec<String>)> = Vec::new();
    for scenario in catalogue["scenarios"].as_array().context("no scenarios")? {
        let text = |key: &str| scenario[key].as_str().unwrap_or_default().to_owned();
        match chapters
            .last_mut()
            .filter(|(name, _)| *name == text("chapter"))
        {
            Some((_, scenarios)) => scenarios.push(text("name")),
            None => chapters.push((text("chapter"), vec![text("name")])),
        }
    }
    Ok(chapters)
}

/// Returns the path of the program, relative to this test binary.
fn program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let program = folder
        .join("highwater")
        .with_extension(env::consts::EXE_EXTENSION);
    assert!(
        program.is_file(),
        "{} is missing: run `cargo build -p native` first",
        program.display()
    );
    program
}
