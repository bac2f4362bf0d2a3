//! The first step: cargo turns the `web` crate into a `.wasm` file.

use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::layout::{Flavour, Layout};
use crate::toolchain::{TARGET, Toolchain};

/// The file name of the artifact, and of the module that the page imports.
pub(crate) const NAME: &str = "highwater_web";

/// Builds one flavour and returns the path of its `.wasm` file. Does nothing
/// but ask cargo when nothing changed.
pub(crate) fn compile(layout: &Layout, flavour: Flavour) -> Result<PathBuf> {
    let target_dir = layout.target_of(flavour);
    let mut cargo = match flavour {
        Flavour::Single => Toolchain::Stable.cargo(&layout.root),
        Flavour::Threads => {
            let mut cargo = Toolchain::Nightly.cargo(&layout.root);
            cargo
                .arg("--config")
                .arg(layout.root.join("web/threads.toml"));
            cargo
        }
    };
    cargo
        .args(["build", "--package", "highwater-web", "--lib"])
        .args(["--target", TARGET, "--profile", "wasm"])
        .arg("--target-dir")
        .arg(&target_dir);
    if flavour == Flavour::Threads {
        cargo.args(["--features", "threads"]);
    }
    let status = cargo.status().context("cannot run cargo")?;
    if !status.success() {
        bail!("the {} build failed: {status}", flavour.name());
    }
    Ok(target_dir
        .join(TARGET)
        .join("wasm")
        .join(format!("{NAME}.wasm")))
}
