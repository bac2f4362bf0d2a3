//! The machine and the versions of the programs that take part in a comparison.

use std::fs;
use std::process::Command;
use std::thread;

use crate::run::stdout_of;
use crate::workspace::Workspace;

/// Packages whose versions the results depend on.
const PACKAGES: [&str; 3] = ["hyper", "axum", "tokio"];

/// Describes the machine, and the versions of the peers and of the load generator.
pub(super) fn describe(workspace: &Workspace) -> Vec<String> {
    let lock = fs::read_to_string(workspace.root.join("Cargo.lock")).unwrap_or_default();
    let packages = PACKAGES.iter().filter_map(|package| {
        let version = locked_version(&lock, package)?;
        Some(format!("{package} {version}"))
    });
    let mut all = vec![cpu(), kernel()];
    all.extend(packages);
    // nginx and wrk print their versions to standard error, wrk with exit code 1.
    let programs = [
        "nginx -v 2>&1",
        "node --version",
        "wrk -v 2>&1 | head -n 1",
        "rustc --version",
    ];
    all.extend(programs.iter().filter_map(|script| {
        let mut shell = workspace.command("sh");
        let output = stdout_of(shell.args(["-c", script]))?;
        // Without the copyright.
        let version = output.split(" [").next()?.to_owned();
        let program = script.split(' ').next()?;
        match version.contains("not found") {
            true => None,
            false if version.contains(program) => Some(version),
            false => Some(format!("{program} {version}")),
        }
    }));
    all
}

fn cpu() -> String {
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_owned())
    });
    let model = model.unwrap_or_else(|| "unknown CPU".to_owned());
    format!("{model}, {cores} cores")
}

fn kernel() -> String {
    stdout_of(Command::new("uname").arg("-sr")).unwrap_or_else(|| "unknown system".to_owned())
}

/// Returns the version of a package in a lock file.
fn locked_version<'a>(lock: &'a str, package: &str) -> Option<&'a str> {
    let name = format!("name = \"{package}\"\nversion = \"");
    let (_, rest) = lock.split_once(&name)?;
    rest.split('"').next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn package_version_is_read_from_the_lock_file() {
        let lock = "[[package]]\nname = \"hyper-util\"\nversion = \"0.1.2\"\n\n\
                    [[package]]\nname = \"hyper\"\nversion = \"1.12.0\"\n";
        assert_eq!(locked_version(lock, "hyper"), Some("1.12.0"));
        assert_eq!(locked_version(lock, "axum"), None);
    }

    #[test]
    fn description_names_the_cpu_and_the_packages() {
        let all = describe(&Workspace::new().unwrap());
        assert!(all[0].ends_with(" cores"), "{all:?}");
        assert!(all.iter().any(|it| it.starts_with("hyper 1.")), "{all:?}");
    }
}
