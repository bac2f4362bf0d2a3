//! Components of the Rust toolchains, installed with rustup.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use super::announce;
use crate::run::run_checked;
use crate::workspace::{NIGHTLY, WASM, Workspace};

/// Ensures a component of the stable toolchain, detected by one of its programs.
pub(crate) fn component(workspace: &Workspace, name: &str, program: &str) -> Result<()> {
    if succeeds(workspace.command(program).arg("--version")) {
        return Ok(());
    }
    announce(name);
    rustup(workspace, &["component", "add", name])
}

/// Ensures the standard library of the wasm target.
pub(crate) fn wasm_target(workspace: &Workspace) -> Result<()> {
    let sysroot = sysroot(&mut workspace.command("rustc"))?;
    if sysroot.join("lib/rustlib").join(WASM).is_dir() {
        return Ok(());
    }
    announce(WASM);
    rustup(workspace, &["target", "add", WASM])
}

/// Ensures the pinned nightly, with the sources of the standard library and with clippy.
pub(crate) fn nightly(workspace: &Workspace) -> Result<()> {
    if has_sources(workspace)
        && succeeds(nightly_command(workspace, "cargo-clippy").arg("--version"))
    {
        return Ok(());
    }
    announce(NIGHTLY);
    rustup(
        workspace,
        &[
            "toolchain",
            "install",
            NIGHTLY,
            "--profile",
            "minimal",
            "-c",
            "rust-src",
            "-c",
            "clippy",
        ],
    )
}

/// Ensures Miri on the pinned nightly, with the sources from which it builds its standard
/// library.
pub(crate) fn miri(workspace: &Workspace) -> Result<()> {
    if has_sources(workspace) && succeeds(nightly_command(workspace, "miri").arg("--version")) {
        return Ok(());
    }
    announce("miri");
    let add = [
        "component",
        "add",
        "miri",
        "rust-src",
        "--toolchain",
        NIGHTLY,
    ];
    rustup(workspace, &add)
}

fn has_sources(workspace: &Workspace) -> bool {
    sysroot(&mut nightly_command(workspace, "rustc"))
        .is_ok_and(|path| path.join("lib/rustlib/src/rust").is_dir())
}

fn nightly_command(workspace: &Workspace, program: &str) -> Command {
    let mut command = workspace.command("rustup");
    command.args(["run", NIGHTLY, program]);
    command
}

fn rustup(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let line = format!("rustup {}", arguments.join(" "));
    if workspace.find("rustup").is_none() {
        bail!("rustup is not on the PATH; install it and run `{line}`");
    }
    run_checked(workspace.command("rustup").args(arguments))
        .with_context(|| format!("install it with `{line}`"))
}

fn sysroot(rustc: &mut Command) -> Result<PathBuf> {
    let output = rustc
        .args(["--print", "sysroot"])
        .output()
        .context("cannot run rustc")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(PathBuf::from(String::from_utf8(output.stdout)?.trim()))
}

fn succeeds(command: &mut Command) -> bool {
    command
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
