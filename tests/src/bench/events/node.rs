//! The peers that run in Node.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use super::super::printed;
use super::emitters::TURN;
use crate::workspace::Workspace;

const EVENTEMITTER3: &str = "eventemitter3";
const EVENTEMITTER3_VERSION: &str = "5.0.1";

/// Node, if it is there, and what was found for it.
pub(super) struct Node {
    script: PathBuf,
    version: Option<String>,
    eventemitter3: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Timed {
    nanoseconds: f64,
}

impl Node {
    pub(super) fn find(workspace: &Workspace) -> Self {
        let version = printed(Command::new("node").arg("--version"));
        let packages = workspace.root.join("target").join("npm");
        let eventemitter3 = version.as_ref().and_then(|_| install(&packages));
        if version.is_none() {
            eprintln!("tests: there is no node on the PATH: Rust is compared with Rust alone");
        } else if eventemitter3.is_none() {
            eprintln!("tests: npm could not install {EVENTEMITTER3}: it is left out");
        }
        Node {
            script: workspace.root.join("tests/node/bench-events.mjs"),
            version,
            eventemitter3,
        }
    }

    /// What was compared with.
    pub(super) fn versions(&self) -> Vec<String> {
        let node = self.version.iter().map(|version| format!("Node {version}"));
        let package = self.eventemitter3.iter();
        let package = package.map(|_| format!("{EVENTEMITTER3} {EVENTEMITTER3_VERSION}"));
        node.chain(package).collect()
    }

    /// Nanoseconds an emit, of each emitter there is.
    pub(super) fn emits(&self, listeners: usize) -> anyhow::Result<Vec<(&'static str, f64)>> {
        let mut emits = Vec::new();
        if self.version.is_some() {
            let nanoseconds = self.time("node:events", listeners)?;
            emits.push(("Node EventEmitter", nanoseconds));
        }
        if let Some(module) = &self.eventemitter3 {
            let module = module.to_str().context("a path that is not UTF-8")?;
            emits.push((EVENTEMITTER3, self.time(module, listeners)?));
        }
        Ok(emits)
    }

    /// A process of its own: what the compiler has learned from one contestant
    /// must neither help nor hurt the next.
    fn time(&self, module: &str, listeners: usize) -> anyhow::Result<f64> {
        let mut command = Command::new("node");
        command.arg(&self.script).arg(module);
        command.args([listeners.to_string(), TURN.as_millis().to_string()]);
        let done = command
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run node")?;
        ensure!(done.status.success(), "node failed on {module}");
        let timed: Timed = serde_json::from_slice(&done.stdout)?;
        Ok(timed.nanoseconds)
    }
}

/// Where the package is, installed if need be.
fn install(packages: &Path) -> Option<PathBuf> {
    let module = packages
        .join("node_modules")
        .join(EVENTEMITTER3)
        .join("index.js");
    if !module.exists() {
        let package = format!("{EVENTEMITTER3}@{EVENTEMITTER3_VERSION}");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
        printed(npm.arg(packages).arg(package))?;
    }
    module.exists().then_some(module)
}
