//! Finds what the suites need, and installs what is missing.

mod browser;
mod npm;
mod rust;
mod system;
mod tool;

use std::io::Write as _;
use std::{fs, io};

use anyhow::{Context as _, Result};

use crate::workspace::Workspace;

/// Something that has to be on the machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Rustfmt,
    Clippy,
    /// The standard library for the browser.
    WasmTarget,
    /// The pinned nightly, with sources to build the standard library from.
    Nightly,
    /// The interpreter, of the pinned nightly.
    Miri,
    /// Chrome or Chromium, and its driver.
    Chrome,
    /// Firefox, and its driver.
    Firefox,
    /// What finds faults in a page's accessibility.
    Axe,
    WasmPack,
    /// `wasm-bindgen` and its test runner, which wasm-pack looks for.
    WasmBindgen,
    CargoDeny,
}

impl Need {
    /// All of them, the quick ones first.
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

    /// Finds or installs it. The error says what to install by hand.
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

/// Makes sure of `needs` and returns the problems of those it could not have:
/// all of them, so that a person can solve them at once.
pub(crate) fn ensure(workspace: &Workspace, needs: &[Need]) -> Result<Vec<anyhow::Error>> {
    fs::create_dir_all(workspace.bin()).context("cannot create the folder of the tools")?;
    let problems = needs
        .iter()
        .filter_map(|need| need.ensure(workspace).err())
        .collect();
    io::stdout().flush()?;
    Ok(problems)
}

/// Says that something is installed now, since that may take a while.
fn announce(what: &str) {
    eprintln!("tests: installing {what}…");
}
