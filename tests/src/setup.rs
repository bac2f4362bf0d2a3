//! Finds the requirements of the suites and installs the missing ones.

mod browser;
mod npm;
mod rust;
mod system;
mod tool;

use std::io::Write as _;
use std::{fs, io};

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

/// A program or component that suites require.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Requirement {
    Rustfmt,
    Clippy,
    /// The standard library of the wasm target.
    WasmTarget,
    /// The pinned nightly, with the sources of the standard library.
    Nightly,
    /// The Miri interpreter of the pinned nightly.
    Miri,
    /// Chrome or Chromium, and its driver.
    Chrome,
    /// Firefox, and its driver.
    Firefox,
    /// The accessibility checker.
    Axe,
    WasmPack,
    /// `wasm-bindgen` and its test runner, which wasm-pack calls.
    WasmBindgen,
    CargoDeny,
}

impl Requirement {
    /// All requirements, quick installations first.
    pub(crate) const ALL: [Self; 11] = [
        Self::Rustfmt,
        Self::Clippy,
        Self::WasmTarget,
        Self::Nightly,
        Self::Miri,
        Self::Chrome,
        Self::Firefox,
        Self::Axe,
        Self::WasmPack,
        Self::WasmBindgen,
        Self::CargoDeny,
    ];

    /// Finds or installs it. The error says how to install it by hand.
    fn ensure(self, workspace: &Workspace) -> Result<()> {
        match self {
            Self::Rustfmt => rust::component(workspace, "rustfmt", "cargo-fmt"),
            Self::Clippy => rust::component(workspace, "clippy", "cargo-clippy"),
            Self::WasmTarget => rust::wasm_target(workspace),
            Self::Nightly => rust::nightly(workspace),
            Self::Miri => rust::miri(workspace),
            Self::Chrome => browser::chrome(workspace),
            Self::Firefox => browser::firefox(workspace),
            Self::Axe => npm::axe(workspace),
            Self::WasmPack => tool::install(workspace, "wasm-pack", Some("0.15.1")),
            Self::WasmBindgen => tool::wasm_bindgen(workspace),
            Self::CargoDeny => tool::install(workspace, "cargo-deny", Some("0.20.2")),
        }
    }
}

/// Installs missing requirements. Returns the errors of all that failed, so that a user
/// can fix them in one go.
pub(crate) fn ensure(
    workspace: &Workspace,
    requirements: &[Requirement],
) -> Result<Vec<anyhow::Error>> {
    fs::create_dir_all(workspace.bin()).context("cannot create the folder for the tools")?;
    let errors = requirements
        .iter()
        .filter_map(|requirement| requirement.ensure(workspace).err())
        .collect();
    io::stdout().flush()?;
    Ok(errors)
}

/// Prints that an installation starts, since it may take a while.
fn announce(what: &str) {
    eprintln!("tests: installing {what}…");
}
