//! `promtool`, which checks the text of metrics.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use super::system::{System, download};
use crate::output::announce_installation;
use crate::run::run_checked;
use crate::workspace::Workspace;

/// Unpacks `promtool` from the system's package of Prometheus into the tools folder if
/// missing. The package is not installed, because it would start a server.
pub(crate) fn install_promtool(workspace: &Workspace) -> Result<()> {
    if workspace.find("promtool").is_some() {
        return Ok(());
    }
    if System::detect() == System::Other {
        bail!("not found: promtool; install it, a part of Prometheus, so that it is on the PATH");
    }
    announce_installation("promtool");
    let folder = workspace.tools.join("prometheus");
    unpack(workspace, &folder).context(
        "not found: promtool; install it with `sudo apt-get install --no-install-recommends prometheus`",
    )
}

fn unpack(workspace: &Workspace, folder: &Path) -> Result<()> {
    // An interrupted download would remain.
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder)?;
    download(workspace, "prometheus", folder)?;
    let package = fs::read_dir(folder)?
        .next()
        .context("no package was downloaded")??;
    let mut extract = workspace.command("dpkg-deb");
    run_checked(extract.arg("--extract").arg(package.path()).arg(folder))?;
    fs::copy(
        folder.join("usr/bin/promtool"),
        workspace.bin().join("promtool"),
    )?;
    fs::remove_dir_all(folder)?;
    Ok(())
}
