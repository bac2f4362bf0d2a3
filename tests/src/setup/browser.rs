//! Browsers, and the drivers that steer them.
//!
//! Whatever is on the PATH will do: the drivers look for their browser
//! themselves, under all its names.

use anyhow::Result;

use super::system::{System, install};
use super::tool;
use crate::workspace::Workspace;

/// The names that Chrome goes by, or its open twin.
const CHROMES: [&str; 5] = [
    "google-chrome",
    "google-chrome-stable",
    "chrome",
    "chromium",
    "chromium-browser",
];

/// The names that Firefox goes by.
const FIREFOXES: [&str; 2] = ["firefox", "firefox-esr"];

/// Chrome or Chromium with `chromedriver`.
pub(crate) fn chrome(workspace: &Workspace) -> Result<()> {
    // The two are released together and refuse each other's other versions, so
    // a missing half is installed as a pair.
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

/// Firefox with `geckodriver`.
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
    // Not every system packages it, and it works with any recent Firefox.
    tool::install(workspace, "geckodriver", Some("0.37.1"))
}

fn has_any(workspace: &Workspace, programs: &[&str]) -> bool {
    programs
        .iter()
        .any(|program| workspace.find(program).is_some())
}
