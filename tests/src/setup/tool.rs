//! Rust programs, installed into `target/tools`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::output::announce_installation;
use crate::run::run_checked;
use crate::workspace::Workspace;

/// Installs a program with cargo unless it is on our PATH, in the given version, if
/// any. A debug build compiles in half the time and is fast enough, since these tools
/// mostly start other programs.
pub(crate) fn install(workspace: &Workspace, name: &str, version: Option<&str>) -> Result<()> {
    if is_installed(workspace, name, version) {
        return Ok(());
    }
    announce_installation(name);
    let version = version.map(|version| format!("--version {version} "));
    let line = format!(
        "install {name} {}--locked --debug --root",
        version.unwrap_or_default()
    );
    let mut install = workspace.cargo(&line);
    install
        .arg(&workspace.tools)
        // One target folder for all tools, since they share many dependencies.
        .arg("--target-dir")
        .arg(workspace.target.join("tools-build"))
        // Without debug info, tools compile faster.
        .env("CARGO_PROFILE_DEV_DEBUG", "0");
    run_checked(&mut install)
        .with_context(|| format!("not found: {name}; install it so that it is on the PATH"))
}

fn is_installed(workspace: &Workspace, name: &str, version: Option<&str>) -> bool {
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

/// Builds `wasm-bindgen` and `wasm-bindgen-test-runner` in the version of our lock file
/// and installs them into the tools folder. wasm-pack requires exactly that version and
/// would otherwise download it.
pub(crate) fn install_wasm_bindgen(workspace: &Workspace) -> Result<()> {
    let names = ["bindgen", "bindgen-test-runner"];
    let mut build = workspace.cargo("build --quiet --workspace --all-features");
    // All features, plus one test to include the dev-dependencies, so that the suite
    // `unit` can reuse the artefacts.
    for name in names {
        build.args(["--bin", name]);
    }
    build.args(["--test", "chapters"]);
    run_checked(&mut build)?;
    for name in names {
        let file = |name: &str| Path::new(name).with_extension(std::env::consts::EXE_EXTENSION);
        let source = workspace.target.join("debug").join(file(name));
        let installed_name = file(&format!("wasm-{name}"));
        copy_if_newer(&source, &workspace.bin().join(&installed_name))
            .with_context(|| format!("cannot install {}", installed_name.display()))?;
    }
    Ok(())
}

/// Copies a file unless the existing copy is newer. Renames the new copy into place,
/// since the old one may be running.
fn copy_if_newer(from: &Path, to: &Path) -> Result<()> {
    let modified = fs::metadata(from)?.modified()?;
    if fs::metadata(to).is_ok_and(|copy| copy.modified().is_ok_and(|copied| copied >= modified)) {
        return Ok(());
    }
    let new = to.with_extension("new");
    fs::copy(from, &new)?;
    fs::rename(&new, to)?;
    Ok(())
}
