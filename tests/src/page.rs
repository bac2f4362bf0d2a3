//! The page in Chrome: `page` measures it against its budgets, `screenshots` takes
//! pictures of it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};

use crate::group;
use crate::output::Output;
use crate::run::{read, run, run_checked};
use crate::setup::{self, Need};
use crate::workspace::Workspace;

/// Prints the budgets as a table; exit code 1 if one is missed.
pub(crate) fn measure() -> ExitCode {
    code(prepare().and_then(|(workspace, sizes)| in_chrome(&workspace, "budgets", &sizes)))
}

/// Takes the pictures, in `target/screenshots` unless told otherwise.
pub(crate) fn screenshots(folder: Option<&Path>) -> ExitCode {
    code(prepare().and_then(|(workspace, _)| {
        let usual = workspace.target.join("screenshots");
        let folder = std::path::absolute(folder.unwrap_or(&usual))?;
        in_chrome(&workspace, "screenshots", &folder)
    }))
}

fn code(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tests: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Installs and builds what is needed. Where it wrote what the page weighs comes
/// with the workspace.
fn prepare() -> Result<(Workspace, PathBuf)> {
    let workspace = Workspace::new()?;
    group::end_with_us()?;
    let needs = [Need::WasmTarget, Need::Nightly, Need::Chrome];
    if let Some(problem) = setup::ensure(&workspace, &needs)?.into_iter().next() {
        return Err(problem);
    }
    run_checked(&mut workspace.cargo("build --package native"))?;
    // It fails if one is too heavy, which is for the table to say.
    let sizes = read(&mut workspace.cargo("run --package bundle -- --sizes"))?;
    let file = workspace.target.join("sizes.txt");
    fs::write(&file, sizes).with_context(|| format!("cannot write {}", file.display()))?;
    Ok((workspace, file))
}

fn in_chrome(workspace: &Workspace, what: &str, path: &Path) -> Result<bool> {
    let mut command = workspace.cargo("test --workspace --all-features --test page -- ");
    Ok(run(command.arg(what).arg(path), &Output::Ours)?.success)
}
