//! The page in Chrome: `page` measures it against its budgets, `screenshots` takes
//! pictures of it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::group;
use crate::output::Output;
use crate::run::{read, run, run_checked};
use crate::setup::{self, Need};
use crate::workspace::Workspace;

/// Prints the budgets as a table; `false` if one is missed.
pub(crate) fn measure() -> Result<bool> {
    let workspace = prepare()?;
    // It fails if one is too heavy, which is for the table to say.
    let sizes = read(&mut workspace.cargo("run --package bundle -- --sizes"))?;
    let file = workspace.target.join("sizes.txt");
    fs::write(&file, sizes).with_context(|| format!("cannot write {}", file.display()))?;
    in_chrome(&workspace, "budgets", &file)
}

/// Takes the pictures, in `target/screenshots` unless told otherwise.
pub(crate) fn screenshots(folder: Option<&Path>) -> Result<bool> {
    let workspace = prepare()?;
    run_checked(&mut workspace.cargo("run --package bundle"))?;
    let usual = workspace.target.join("screenshots");
    let folder = std::path::absolute(folder.unwrap_or(&usual))?;
    in_chrome(&workspace, "screenshots", &folder)
}

/// Installs what is needed, and builds the program.
fn prepare() -> Result<Workspace> {
    let workspace = Workspace::new()?;
    group::end_with_us()?;
    let needs = [Need::WasmTarget, Need::Nightly, Need::Chrome];
    if let Some(problem) = setup::ensure(&workspace, &needs)?.into_iter().next() {
        return Err(problem);
    }
    run_checked(&mut workspace.cargo("build --package native"))?;
    Ok(workspace)
}

fn in_chrome(workspace: &Workspace, what: &str, path: &Path) -> Result<bool> {
    let mut command = workspace.cargo("test --workspace --all-features --test page -- ");
    Ok(run(command.arg(what).arg(path), &Output::Ours)?.success)
}
