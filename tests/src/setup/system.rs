//! The operating system and its package manager.

use std::fs;

use anyhow::{Context as _, Result, bail};
use nix::unistd::Uid;

use super::announce;
use crate::output::Output;
use crate::run::{run, run_checked};
use crate::workspace::Workspace;

/// Systems with different package names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum System {
    Debian,
    Ubuntu,
    /// A system whose package names are unknown.
    Other,
}

impl System {
    /// Detects the current system.
    pub(crate) fn detect() -> Self {
        Self::parse(&fs::read_to_string("/etc/os-release").unwrap_or_default())
    }

    /// Parses an `os-release` file. A derivative counts as the system in its `ID_LIKE`.
    /// Derivatives of Ubuntu list both and use Ubuntu's package names.
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

/// Installs the packages. Without package names for this system, the error says what is
/// missing.
pub(crate) fn install(workspace: &Workspace, packages: &[&str], what: &str) -> Result<()> {
    if packages.is_empty() {
        anyhow::bail!("not found: {what}; install it so that it is on the PATH");
    }
    announce(what);
    apt(workspace, packages).with_context(|| format!("not found: {what}"))
}

/// Installs packages with apt, as root or with a sudo that needs no password.
///
/// # Errors
///
/// If there are no permissions or the installation fails. The message has the command to
/// run by hand.
fn apt(workspace: &Workspace, packages: &[&str]) -> Result<()> {
    let list = packages.join(" ");
    let advice = format!("install it with `sudo apt-get install {list}`");
    let prefix: &[&str] = if Uid::effective().is_root() {
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
        bail!("{advice}");
    };
    let apt_get = |arguments: &[&str]| {
        let mut command = workspace.command(prefix[0]);
        command
            .args(&prefix[1..])
            .args(["DEBIAN_FRONTEND=noninteractive", "apt-get", "-qq"])
            .args(arguments);
        command
    };
    // An old index may list removed versions. If the update fails, the installation may
    // still work, and reports the error if it does not.
    let _ = run(&mut apt_get(&["update"]), &Output::Direct);
    let mut install = apt_get(&["install", "--yes", "--no-install-recommends"]);
    run_checked(install.args(packages)).context(advice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn systems_are_distinguished() {
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
