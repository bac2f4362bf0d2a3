//! npm packages. They are not part of the page or the repository.

use std::fs;

use anyhow::{Context as _, Result};

use super::system::{System, install};
use crate::output::announce_installation;
use crate::run::run_checked;
use crate::workspace::Workspace;

const AXE: &str = "axe-core";
const AXE_VERSION: &str = "4.14.1";

/// Installs axe into `target/npm` if missing.
pub(crate) fn install_axe(workspace: &Workspace) -> Result<()> {
    let folder = workspace.target.join("npm");
    let package = folder.join("node_modules").join(AXE).join("package.json");
    let expected_version = format!("\"version\": \"{AXE_VERSION}\"");
    if fs::read_to_string(package).is_ok_and(|text| text.contains(&expected_version)) {
        return Ok(());
    }
    if workspace.find("npm").is_none() {
        let packages: &[&str] = match System::detect() {
            System::Debian | System::Ubuntu => &["npm"],
            System::Other => &[],
        };
        install(workspace, packages, "npm")?;
    }
    announce_installation(AXE);
    let mut npm = workspace.command("npm");
    npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
    npm.arg(folder).arg(format!("{AXE}@{AXE_VERSION}"));
    run_checked(&mut npm).with_context(|| format!("cannot install {AXE}"))
}
