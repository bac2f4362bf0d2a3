//! Tools written in Rust, installed into `target/tools`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::announce;
use crate::run::run_checked;
use crate::workspace::Workspace;

/// Finds a program on our PATH, of this version if one is given, or else installs it with
/// cargo. A debug build compiles in half the time and is fast enough, since these tools
/// mostly start other programs.
pub(crate) fn install(workspace: &Workspace, name: &str, version: Option<&str>) -> Result<()> {
    if installed(workspace, name, version) {
        return Ok(());
    }
    announce(name);
    let version = version.map(|version| format!("--version {version} "));
    let line = format!(
        "install {name} {}--locked --debug --root",
        version.unwrap_or_default()
    );
    let mut install = workspace.cargo(&line);
    install
        .arg(&workspace.tools)
        // One folder for all tools, since they share many dependencies.
        .arg("--target-dir")
        .arg(workspace.target.join("tools-build"))
        // Saves a good part of the compile time.
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    run_checked(&mut install)
        .with_context(|| format!("not found: {name}; install it so that it is on the PATH"))
}

fn installed(workspace: &Workspace, name: &str, version: Option<&str>) -> bool {
    if workspace.find(name).is_none() {
        return false;
    }
    let Ok(output) = workspace.command(name).arg("--version").output() else {
        return false;
    };
    // The format is "name 1.2.3", with an optional suffix.
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.split_whitespace().nth(1);
    output.status.success() && version.is_none_or(|version| found == Some(version))
}

/// Builds `wasm-bindgen` and `wasm-bindgen-test-runner` from the version in our lock file
/// and installs them with the tools. wasm-pack requires exactly that version and would
/// download it otherwise.
pub(crate) fn wasm_bindgen(workspace: &Workspace) -> Result<()> {
    let names = ["bindgen", "bindgen-test-runner"];
    let mut build = workspace.cargo("build --quiet --workspace --all-features");
    // All features, and one test for the dev-dependencies: the same build as the suite
    // `unit`, so that both share their artefacts.
    for name in names {
        build.args(["--bin", name]);
    }
    build.args(["--test", "chapters"]);
    run_checked(&mut build)?;
    for name in names {
        let file = |name: &str| Path::new(name).with_extension(std::env::consts::EXE_EXTENSION);
        let source = workspace.target.join("debug").join(file(name));
        let installed = file(&format!("wasm-{name}"));
        copy_if_newer(&source, &workspace.bin().join(&installed))
            .with_context(|| format!("cannot install {}", installed.display()))?;
    }
    Ok(())
}

/// Copies a file unless the copy is newer. It renames the new copy into place, since the
/// old one may be running.
fn copy_if_newer(from: &Path, to: &Path) -> Result<()> {
    let built = fs::metadata(from)?.modified()?;
    if fs::metadata(to).is_ok_and(|copy| copy.modified().is_ok_and(|copied| copied >= built)) {
        return Ok(());
    }
    let new = to.with_extension("new");
    fs::copy(from, &new)?;
    fs::rename(&new, to)?;
    Ok(())
}
