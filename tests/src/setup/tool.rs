//! Programs written in Rust, built into `target/tools`.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::announce;
use crate::run::run_checked;
use crate::workspace::Workspace;

/// Finds the program on our PATH, in this version if one is given, or else has
/// cargo install it. A debug build: it compiles in half the time, and what these
/// tools do is start other programs.
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
        // One folder for all of them: they have many dependencies in common.
        .arg("--target-dir")
        .arg(workspace.target.join("tools-build"))
        // Nobody debugs them, and it is a good part of what compiling takes.
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
    // "name 1.2.3 (and perhaps more)".
    let text = String::from_utf8_lossy(&output.stdout);
    let found = text.split_whitespace().nth(1);
    output.status.success() && version.is_none_or(|version| found == Some(version))
}

/// Builds `wasm-bindgen` and `wasm-bindgen-test-runner` from the library that
/// our lock file names and puts them with the tools. wasm-pack wants exactly the
/// version of that lock file, and would download it if it were not there.
pub(crate) fn wasm_bindgen(workspace: &Workspace) -> Result<()> {
    let names = ["bindgen", "bindgen-test-runner"];
    let mut build = workspace.cargo("build --quiet --workspace --all-features");
    // The features of the whole workspace, and for those of the tests' own
    // dependencies a test: `unit` uses the same, so that both share what they
    // compile.
    for name in names {
        build.args(["--bin", name]);
    }
    build.args(["--test", "chapters"]);
    run_checked(&mut build)?;
    for name in names {
        let file = |name: &str| Path::new(name).with_extension(std::env::consts::EXE_EXTENSION);
        let source = workspace.target.join("debug").join(file(name));
        let installed = file(&format!("wasm-{name}"));
        place(&source, &workspace.bin().join(&installed))
            .with_context(|| format!("cannot install {}", installed.display()))?;
    }
    Ok(())
}

/// Copies unless the copy is newer; by a rename, since the old one may run.
fn place(from: &Path, to: &Path) -> Result<()> {
    let built = fs::metadata(from)?.modified()?;
    if fs::metadata(to).is_ok_and(|copy| copy.modified().is_ok_and(|copied| copied >= built)) {
        return Ok(());
    }
    let new = to.with_extension("new");
    fs::copy(from, &new)?;
    fs::rename(&new, to)?;
    Ok(())
}
