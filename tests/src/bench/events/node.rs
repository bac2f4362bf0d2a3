//! Node emitters.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::emitters::TURN;
use crate::run::stdout_of;
use crate::workspace::Workspace;

const EVENTEMITTER3: &str = "eventemitter3";
const EVENTEMITTER3_VERSION: &str = "5.0.1";

/// The Node installation, if any, and its packages.
pub(super) struct Node {
    script: PathBuf,
    version: Option<String>,
    eventemitter3: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Measurement {
    nanoseconds: f64,
}

impl Node {
    pub(super) fn find(workspace: &Workspace) -> Self {
        let version = stdout_of(Command::new("node").arg("--version"));
        let packages = workspace.root.join("target").join("npm");
        let eventemitter3 = version.as_ref().and_then(|_| install(&packages));
        if version.is_none() {
            eprintln!("tests: warning: node is not on the PATH; skipping the Node emitters");
        } else if eventemitter3.is_none() {
            eprintln!("tests: warning: npm cannot install {EVENTEMITTER3}; skipping it");
        }
        Node {
            script: workspace.root.join("tests/node/bench-events.mjs"),
            version,
            eventemitter3,
        }
    }

    /// Returns the versions of the peers.
    pub(super) fn versions(&self) -> Vec<String> {
        let node = self.version.iter().map(|version| format!("Node {version}"));
        let package = self.eventemitter3.iter();
        let package = package.map(|_| format!("{EVENTEMITTER3} {EVENTEMITTER3_VERSION}"));
        node.chain(package).collect()
    }

    /// Returns the time per emit of each available emitter, in nanoseconds.
    pub(super) fn emits(&self, listeners: usize) -> anyhow::Result<Vec<(&'static str, f64)>> {
        let mut emits = Vec::new();
        if self.version.is_some() {
            let nanoseconds = self.time("node:events", listeners)?;
            emits.push(("Node EventEmitter", nanoseconds));
        }
        if let Some(module) = &self.eventemitter3 {
            let module = module.to_str().context("the path is not UTF-8")?;
            emits.push((EVENTEMITTER3, self.time(module, listeners)?));
        }
        Ok(emits)
    }

    /// Measures an emitter in a new process, so that JIT optimisations for one
    /// contestant do not affect the next.
    fn time(&self, module: &str, listeners: usize) -> anyhow::Result<f64> {
        let mut command = Command::new("node");
        command.arg(&self.script).arg(module);
        command.args([listeners.to_string(), TURN.as_millis().to_string()]);
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run node")?;
        ensure!(output.status.success(), "node failed on {module}");
        let measurement: Measurement = serde_json::from_slice(&output.stdout)?;
        Ok(measurement.nanoseconds)
    }
}

/// Returns the path of the package's module. Installs the package if necessary.
fn install(packages: &Path) -> Option<PathBuf> {
    let module = packages
        .join("node_modules")
        .join(EVENTEMITTER3)
        .join("index.js");
    if !module.exists() {
        let package = format!("{EVENTEMITTER3}@{EVENTEMITTER3_VERSION}");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
        stdout_of(npm.arg(packages).arg(package))?;
    }
    module.exists().then_some(module)
}
