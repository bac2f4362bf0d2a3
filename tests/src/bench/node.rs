//! Node, a package of it, and the script that measures them.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::de::DeserializeOwned;

use crate::run::stdout_of;
use crate::setup::npm::install_package;
use crate::workspace::Workspace;

/// A package to compare with.
pub(super) struct Package {
    pub(super) name: &'static str,
    pub(super) version: &'static str,
    /// Path of its module.
    pub(super) module: &'static str,
}

/// The Node installation, if any, and a package.
pub(super) struct Node {
    script: PathBuf,
    version: Option<String>,
    package: Package,
    module: Option<PathBuf>,
}

impl Node {
    /// Finds Node and installs the package if necessary. `script` is a file in
    /// `tests/node`.
    pub(super) fn find(workspace: &Workspace, script: &str, package: Package) -> Self {
        let version = stdout_of(Command::new("node").arg("--version"));
        let mut module = None;
        if version.is_none() {
            eprintln!("tests: warning: node is not on the PATH; skipping Node");
        } else {
            match install_package(workspace, package.name, package.version) {
                Ok(folder) => module = Some(folder.join(package.module)),
                Err(error) => eprintln!("tests: warning: {error:#}; skipping it"),
            }
        }
        Node {
            script: workspace.root.join("tests/node").join(script),
            version,
            package,
            module,
        }
    }

    pub(super) fn is_installed(&self) -> bool {
        self.version.is_some()
    }

    /// Returns the package's module, if it is installed.
    pub(super) fn module(&self) -> Option<&Path> {
        self.module.as_deref()
    }

    /// Returns the versions of the peers.
    pub(super) fn versions(&self) -> Vec<String> {
        let node = self.version.iter().map(|version| format!("Node {version}"));
        let Package { name, version, .. } = self.package;
        let package = self.module.iter().map(|_| format!("{name} {version}"));
        node.chain(package).collect()
    }

    /// Runs the script in a new process, so that JIT optimisations for one contestant do
    /// not affect the next, and parses its output.
    pub(super) fn run<T: DeserializeOwned>(&self, arguments: &[&OsStr]) -> Result<T> {
        let output = Command::new("node")
            .arg(&self.script)
            .args(arguments)
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run node")?;
        ensure!(output.status.success(), "node failed on {arguments:?}");
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
