//! Rust toolchain components, installed with rustup.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::output::announce_installation;
use crate::run::run_checked;
use crate::workspace::{NIGHTLY_TOOLCHAIN, Workspace};

/// Installs a component of the stable toolchain if one of its programs is missing.
pub(crate) fn install_component(workspace: &Workspace, name: &str, program: &str) -> Result<()> {
    if succeeds(workspace.command(program).arg("--version")) {
        return Ok(());
    }
    announce_installation(name);
    rustup(workspace, &["component", "add", name])
}

/// Installs the standard library for a target if missing.
pub(crate) fn install_target(workspace: &Workspace, target: &str) -> Result<()> {
    let sysroot = sysroot(&mut workspace.command("rustc"))?;
    if sysroot.join("lib/rustlib").join(target).is_dir() {
        return Ok(());
    }
    announce_installation(target);
    rustup(workspace, &["target", "add", target])
}

/// Installs the pinned nightly toolchain, with the standard library sources and clippy,
/// if missing.
pub(crate) fn install_nightly(workspace: &Workspace) -> Result<()> {
    if has_sources(workspace)
        && succeeds(nightly_command(workspace, "cargo-clippy").arg("--version"))
    {
        return Ok(());
    }
    announce_installation(NIGHTLY_TOOLCHAIN);
    rustup(
        workspace,
        &[
            "toolchain",
            "install",
            NIGHTLY_TOOLCHAIN,
            "--profile",
            "minimal",
            "-c",
            "rust-src",
            "-c",
            "clippy",
        ],
    )
}

/// Installs Miri for the pinned nightly toolchain, with the standard library sources
/// that it builds, if missing.
pub(crate) fn install_miri(workspace: &Workspace) -> Result<()> {
    if has_sources(workspace) && succeeds(nightly_command(workspace, "miri").arg("--version")) {
        return Ok(());
    }
    announce_installation("miri");
    let arguments = [
        "component",
        "add",
        "miri",
        "rust-src",
        "--toolchain",
        NIGHTLY_TOOLCHAIN,
    ];
    rustup(workspace, &arguments)
}

fn has_sources(workspace: &Workspace) -> bool {
    sysroot(&mut nightly_command(workspace, "rustc"))
        .is_ok_and(|path| path.join("lib/rustlib/src/rust").is_dir())
}

fn nightly_command(workspace: &Workspace, program: &str) -> Command {
    let mut command = workspace.command("rustup");
    command.args(["run", NIGHTLY_TOOLCHAIN, program]);
    command
}

fn rustup(workspace: &Workspace, arguments: &[&str]) -> Result<()> {
    let command_line = format!("rustup {}", arguments.join(" "));
    if workspace.find("rustup").is_none() {
        bail!("rustup is not on the PATH; install it and run `{command_line}`");
    }
    run_checked(workspace.command("rustup").args(arguments))
        .with_context(|| format!("install it with `{command_line}`"))
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
