//! The operating system and its package manager.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use nix::unistd::Uid;

use crate::output::{Output, announce_installation};
use crate::run::{run, run_checked};
use crate::workspace::Workspace;

/// Operating systems, distinguished by their package names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Debian,
    Ubuntu,
    /// A system with unknown package names.
    Other,
}

impl System {
    /// Detects the current system.
    pub(crate) fn detect() -> Self {
        Self::parse(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// Parses an `os-release` file. Derivatives are recognised by their `ID_LIKE`.
    /// Those of Ubuntu list both systems and use Ubuntu's package names.
    fn parse(os_release: &str) -> Self {
        let ids: Vec<_> = os_release
            .lines()
            .filter_map(|line| line.split_once('='))
            .filter(|(key, _)| matches!(*key, "ID" | "ID_LIKE"))
            .flat_map(|(_, value)| value.trim_matches(['"', '\'']).split_whitespace())
            .collect();
        if ids.contains(&"ubuntu") {
            Self::Ubuntu
        } else if ids.contains(&"debian") {
            Self::Debian
        } else {
            Self::Other
        }
    }
}

/// Installs packages. If `packages` is empty, returns an error that names the missing
/// program.
pub(crate) fn install(workspace: &Workspace, packages: &[&str], what: &str) -> Result<()> {
    if packages.is_empty() {
        anyhow::bail!("not found: {what}; install it so that it is on the PATH");
    }
    announce_installation(what);
    apt(workspace, packages).with_context(|| format!("not found: {what}"))
}

/// Downloads a package into a folder, without installing it.
pub(super) fn download(workspace: &Workspace, package: &str, folder: &Path) -> Result<()> {
    update_index(workspace);
    let mut download = workspace.command("apt-get");
    download.args(["-qq", "download", package]);
    run_checked(download.current_dir(folder))
}

/// Installs packages with apt, as root or with passwordless sudo.
///
/// # Errors
///
/// If permissions are missing or the installation fails. The error contains the command
/// to run manually.
fn apt(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let package_list = packages.join(" ");
    let advice = format!("install it with `sudo apt-get install {package_list}`");
    let Some(mut install) = apt_get_as_root(workspace) else {
        bail!("{advice}");
    };
    update_index(workspace);
    install.args(["install", "--yes", "--no-install-recommends"]);
    run_checked(install.args(packages)).context(advice)
}

/// Updates the index of packages, because an outdated one may list removed versions. A
/// failed update is ignored, because the installation may still succeed.
fn update_index(workspace: &Workspace) {
    if let Some(mut apt_get) = apt_get_as_root(workspace) {
        let _ = run(apt_get.arg("update"), &Output::Direct);
    }
}

/// Returns `apt-get` as root or with passwordless sudo, if possible.
fn apt_get_as_root(workspace: &Workspace) -> Option<Command> {
    let env_command: &[&str] = if Uid::effective().is_root() {
        &["env"]
    } else if workspace.find("sudo").is_some()
        && run(
            workspace.command("sudo").args(["-n", "true"]),
            &Output::Direct,
        )
        .is_ok_and(|it| it.success)
    {
        &["sudo", "-n", "env"]
    } else {
        return None;
    };
    let mut command = workspace.command(env_command[0]);
    command
        .args(&env_command[1..])
        .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"]);
    Some(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn os_release_identifies_the_system() {
        let debian = "PRETTY_NAME=\"Debian GNU/Linux 12\"\nID=debian\n";
        assert_eq!(System::parse(debian), System::Debian);
        let ubuntu = "NAME=\"Ubuntu\"\nID=ubuntu\nID_LIKE=debian\n";
        assert_eq!(System::parse(ubuntu), System::Ubuntu);
        let mint = "ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n";
        assert_eq!(System::parse(mint), System::Ubuntu);
        let raspbian = "ID=raspbian\nID_LIKE='debian'\n";
        assert_eq!(System::parse(raspbian), System::Debian);
        assert_eq!(System::parse("ID=fedora\n"), System::Other);
        assert_eq!(System::parse(""), System::Other);
    }
}
