//! Installs missing requirements of the suites.

mod browser;
pub(crate) mod npm;
mod promtool;
mod rust;
mod system;
mod tool;

use std::io::Write as _;
use std::{fs, io};

use anyhow::{Context as _, Result};

use crate::workspace::{MACOS_TARGET, WASM_TARGET, WINDOWS_TARGET, Workspace};

/// A program or component required by a suite.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
    Rustfmt,
    Clippy,
    /// The standard library for the wasm target.
    WasmTarget,
    /// The standard library for Windows.
    WindowsTarget,
    /// The standard library for macOS.
    MacosTarget,
    /// The pinned nightly toolchain with the standard library sources.
    Nightly,
    /// Miri for the pinned nightly toolchain.
    Miri,
    /// Chrome or Chromium with its driver.
    Chrome,
    /// Firefox with its driver.
    Firefox,
    /// The accessibility checker.
    Axe,
    WasmPack,
    /// `wasm-bindgen` and its test runner, which wasm-pack runs.
    WasmBindgen,
    CargoDeny,
    Promtool,
}

impl Requirement {
    /// All requirements, the fastest to install first.
    pub(crate) const ALL: [Self; 14] = [
        Self::Rustfmt,
        Self::Clippy,
        Self::WasmTarget,
        Self::WindowsTarget,
        Self::MacosTarget,
        Self::Promtool,
        Self::Nightly,
        Self::Miri,
        Self::Chrome,
        Self::Firefox,
        Self::Axe,
        Self::WasmPack,
        Self::WasmBindgen,
        Self::CargoDeny,
    ];

    /// Installs the requirement if it is missing. The error says how to install it
    /// manually.
    fn install_missing(self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Rustfmt => rust::install_component(workspace, "rustfmt", "cargo-fmt"),
            Self::Clippy => rust::install_component(workspace, "clippy", "cargo-clippy"),
            Self::WasmTarget => rust::install_target(workspace, WASM_TARGET),
            Self::WindowsTarget => rust::install_target(workspace, WINDOWS_TARGET),
            Self::MacosTarget => rust::install_target(workspace, MACOS_TARGET),
            Self::Nightly => rust::install_nightly(workspace),
            Self::Miri => rust::install_miri(workspace),
            Self::Chrome => browser::install_chrome(workspace),
            Self::Firefox => browser::install_firefox(workspace),
            Self::Axe => npm::install_axe(workspace),
            Self::Promtool => promtool::install_promtool(workspace),
            Self::WasmPack => tool::install(workspace, "wasm-pack", Some("0.15.1")),
            Self::WasmBindgen => tool::install_wasm_bindgen(workspace),
            Self::CargoDeny => tool::install(workspace, "cargo-deny", Some("0.20.2")),
        }
    }
}

/// Installs missing requirements. Returns all errors, so that the user can fix them at
/// once.
pub(crate) fn install_missing(
    workspace: &Workspace,
    requirements: &[Requirement],
) -> Result<Vec<anyhow::Error>> {
    fs::create_dir_all(workspace.bin()).context("cannot create the tools folder")?;
    let errors = requirements
        .iter()
        .filter_map(|requirement| requirement.install_missing(workspace).err())
        .collect();
    io::stdout().flush()?;
    Ok(errors)
}
