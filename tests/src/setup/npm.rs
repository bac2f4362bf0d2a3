//! npm packages. They are not part of the page or the repository.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use super::system::{System, install};
use crate::output::announce_installation;
use crate::run::run_checked;
use crate::workspace::Workspace;

/// Installs axe if missing, and npm if it is needed.
pub(crate) fn install_axe(workspace: &Workspace) -> Result<()> {
    if workspace.find("npm").is_none() {
        let packages: &[&str] = match System::detect() {
            System::Debian | System::Ubuntu => &["npm"],
            System::Other => &[],
        };
        install(workspace, packages, "npm")?;
    }
    install_package(workspace, "axe-core", "4.14.1").map(drop)
}

/// Installs a package into `target/npm` unless this version is there, and returns its
/// folder.
pub(crate) fn install_package(workspace: &Workspace, name: &str, version: &str) -> Result<PathBuf> {
    let root = workspace.target.join("npm");
    let folder = root.join("node_modules").join(name);
    let expected_version = format!("\"version\": \"{version}\"");
    let package = fs::read_to_string(folder.join("package.json"));
    if package.is_ok_and(|text| text.contains(&expected_version)) {
        return Ok(folder);
    }
    announce_installation(name);
    let mut npm = workspace.command("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
    npm.arg(root).arg(format!("{name}@{version}"));
    run_checked(&mut npm).with_context(|| format!("cannot install {name}"))?;
    Ok(folder)
}
