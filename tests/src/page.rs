//! The commands `page`, which measures the page in Chrome against its budgets, and
//! `screenshots`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::million_users::ClusterRun;
use crate::output::Output;
use crate::process_group;
use crate::run::{read_stdout, run, run_checked};
use crate::setup::{self, Requirement};
use crate::workspace::Workspace;

/// Prints the budgets as a table. Returns whether all of them are met.
pub(crate) fn measure() -> Result<bool> {
    let workspace = prepare()?;
    // The exit code is ignored: it is non-zero if a file is too large, which the table
    // shows.
    let sizes = read_stdout(&mut workspace.cargo("run --package bundle -- --sizes"))?;
    let file = workspace.target.join("sizes.txt");
    fs::write(&file, sizes).with_context(|| format!("cannot write {}", file.display()))?;
    run_in_chrome(&workspace, "budgets", &file)
}

/// Takes screenshots of the page and saves them, by default in `target/screenshots`.
pub(crate) fn screenshots(folder: Option<&Path>) -> Result<bool> {
    let workspace = prepare()?;
    run_checked(&mut workspace.cargo("run --package bundle"))?;
    let default = workspace.target.join("screenshots");
    let folder = std::path::absolute(folder.unwrap_or(&default))?;
    run_in_chrome(&workspace, "screenshots", &folder)
}

/// Builds the page and simulates a cluster of a million users in Chrome. Returns the
/// rounds.
pub(crate) fn measure_simulation() -> Result<Vec<ClusterRun>> {
    let workspace = prepare()?;
    run_checked(&mut workspace.cargo("run --package bundle"))?;
    let file = workspace.target.join("simulation.json");
    anyhow::ensure!(
        run_in_chrome(&workspace, "simulation", &file)?,
        "the simulation in Chrome failed"
    );
    let text = fs::read_to_string(&file)?;
    serde_json::from_str(&text).with_context(|| format!("the tab reports {text}"))
}

/// Installs the requirements and builds `highwater`.
fn prepare() -> Result<Workspace> {
    let workspace = Workspace::new()?;
    process_group::kill_on_interrupt()?;
    let requirements = [
        Requirement::WasmTarget,
        Requirement::Nightly,
        Requirement::Chrome,
    ];
    if let Some(error) = setup::install_missing(&workspace, &requirements)?
        .into_iter()
        .next()
    {
        return Err(error);
    }
    run_checked(&mut workspace.cargo("build --package native"))?;
    Ok(workspace)
}

fn run_in_chrome(workspace: &Workspace, mode: &str, path: &Path) -> Result<bool> {
    let mut command = workspace.cargo("test --workspace --all-features --test page -- ");
    Ok(run(command.arg(mode).arg(path), &Output::Direct)?.success)
}
