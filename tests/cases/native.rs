//! The built `highwater` program.

use std::env;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

/// A command of the program that `cargo build -p native` made.
pub(crate) fn command() -> Command {
    Command::new(program())
}

/// The chapters and their scenarios, as `highwater list` has them.
pub(crate) fn listed() -> Result<Vec<(String, Vec<String>)>> {
    let output = command().args(["list", "--json"]).output()?;
    let catalog: Value = serde_json::from_slice(&output.stdout)?;
    let mut chapters: Vec<(String, Vec<String>)> = Vec::new();
    for scenario in catalog["scenarios"].as_array().context("no scenarios")? {
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

/// Its path, found from where cargo put this test: `debug/deps/test-123abc`.
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
