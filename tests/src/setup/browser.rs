//! Browsers and their drivers.
//!
//! Any version on the PATH is used. The drivers find their browsers themselves.

use anyhow::Result;

use super::system::{System, install};
use super::tool;
use crate::workspace::Workspace;

/// The program names of Chrome and Chromium.
const CHROMES: [&str; 5] = [
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "chromium",
    "chromium-browser",
];

/// The program names of Firefox.
const FIREFOXES: [&str; 2] = ["firefox", "firefox-esr"];

/// Ensures Chrome or Chromium with `chromedriver`.
pub(crate) fn chrome(workspace: &Workspace) -> Result<()> {
    // Browser and driver have to be of the same version, so they are installed as a pair
    // even if only one is missing.
    if has_any(workspace, &CHROMES) && has_any(workspace, &["chromedriver"]) {
        return Ok(());
    }
    let packages: &[&str] = match System::detect() {
        System::Debian => &["chromium", "chromium-driver"],
        System::Ubuntu => &["chromium-browser", "chromium-chromedriver"],
        System::Other => &[],
    };
    install(
        workspace,
        packages,
        "Chrome or Chromium, and the chromedriver of the same version",
    )
}

/// Ensures Firefox with `geckodriver`.
pub(crate) fn firefox(workspace: &Workspace) -> Result<()> {
    if !has_any(workspace, &FIREFOXES) {
        let packages: &[&str] = match System::detect() {
            System::Debian => &["firefox-esr"],
            System::Ubuntu => &["firefox"],
            System::Other => &[],
        };
        install(workspace, packages, "Firefox")?;
    }
    if has_any(workspace, &["geckodriver"]) {
        return Ok(());
    }
    // Not every system packages it. It works with any recent Firefox.
    tool::install(workspace, "geckodriver", Some("0.37.1"))
}

fn has_any(workspace: &Workspace, programs: &[&str]) -> bool {
    programs
        .iter()
        .any(|program| workspace.find(program).is_some())
}
