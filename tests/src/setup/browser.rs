//! Browsers and their drivers.
//!
//! Any version on the PATH is accepted. The drivers locate their browsers themselves.

use anyhow::Result;

use super::system::{System, install};
use super::tool;
use crate::workspace::Workspace;

/// The program names of Chrome and Chromium.
const CHROME_PROGRAMS: [&str; 5] = [
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "chromium",
    "chromium-browser",
];

/// The program names of Firefox.
const FIREFOX_PROGRAMS: [&str; 2] = ["firefox", "firefox-esr"];

/// Installs Chrome or Chromium with `chromedriver` if missing.
pub(crate) fn install_chrome(workspace: &Workspace) -> Result<()> {
    // Browser and driver versions must match, so both are installed even if only one is
    // missing.
    if has_any(workspace, &CHROME_PROGRAMS) && has_any(workspace, &["chromedriver"]) {
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
        "Chrome or Chromium and a matching chromedriver",
    )
}

/// Installs Firefox with `geckodriver` if missing.
pub(crate) fn install_firefox(workspace: &Workspace) -> Result<()> {
    if !has_any(workspace, &FIREFOX_PROGRAMS) {
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
    // Not every system has a package. This version works with any recent Firefox.
    tool::install(workspace, "geckodriver", Some("0.37.1"))
}

fn has_any(workspace: &Workspace, programs: &[&str]) -> bool {
    programs
        .iter()
        .any(|program| workspace.find(program).is_some())
}
