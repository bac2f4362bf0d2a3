//! The peers in Node.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::stdout_of;
use crate::workspace::Workspace;

pub(super) const PISCINA: &str = "piscina";
const PISCINA_VERSION: &str = "5.3.2";

/// The Node installation, if there is one, and its packages.
pub(super) struct Node {
    script: PathBuf,
    version: Option<String>,
    piscina: Option<PathBuf>,
}

/// The place where CPU work runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Execution {
    Loop,
    Threads,
    Piscina,
}

/// The delay of the ticks of an event loop, in milliseconds.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct LoopDelay {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

#[derive(Deserialize)]
struct Tasks {
    per_second: f64,
}

impl Execution {
    pub(super) const ALL: [Self; 3] = [Self::Loop, Self::Threads, Self::Piscina];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Loop => "Node, on the loop",
            Self::Threads => "Node worker_threads",
            Self::Piscina => PISCINA,
        }
    }

    fn word(self) -> &'static str {
        match self {
            Self::Loop => "loop",
            Self::Threads => "threads",
            Self::Piscina => PISCINA,
        }
    }
}

impl Node {
    pub(super) fn find(workspace: &Workspace) -> Self {
        let version = stdout_of(Command::new("node").arg("--version"));
        let packages = workspace.root.join("target").join("npm");
        let piscina = version.as_ref().and_then(|_| install(&packages));
        if version.is_none() {
            eprintln!("tests: warning: node is not on the PATH; there is no peer to compare with");
        } else if piscina.is_none() {
            eprintln!("tests: warning: npm cannot install {PISCINA}; skipping it");
        }
        Node {
            script: workspace.root.join("tests/node/bench-pool.mjs"),
            version,
            piscina,
        }
    }

    pub(super) fn is_there(&self) -> bool {
        self.version.is_some()
    }

    /// Returns the versions of the peers.
    pub(super) fn versions(&self) -> Vec<String> {
        let node = self.version.iter().map(|version| format!("Node {version}"));
        let package = self.piscina.iter();
        let package = package.map(|_| format!("{PISCINA} {PISCINA_VERSION}"));
        node.chain(package).collect()
    }

    /// Returns the delay of the event loop while two jobs run, or `None` without Node or
    /// piscina.
    pub(super) fn delay(&self, execution: Execution, size: u32) -> Result<Option<LoopDelay>> {
        self.run("delay", execution, size)
    }

    /// Returns the number of jobs that piscina runs per second.
    pub(super) fn tasks(&self, size: u32) -> Result<Option<f64>> {
        let tasks: Option<Tasks> = self.run("tasks", Execution::Piscina, size)?;
        Ok(tasks.map(|tasks| tasks.per_second))
    }

    fn run<T: DeserializeOwned>(
        &self,
        what: &str,
        execution: Execution,
        size: u32,
    ) -> Result<Option<T>> {
        let is_there = match execution {
            Execution::Piscina => self.piscina.is_some(),
            Execution::Loop | Execution::Threads => self.version.is_some(),
        };
        if !is_there {
            return Ok(None);
        }
        let mut command = Command::new("node");
        command.arg(&self.script).args([what, execution.word()]);
        command.arg(size.to_string()).args(&self.piscina);
        let done = command
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run node")?;
        ensure!(done.status.success(), "node failed on {what}");
        Ok(Some(serde_json::from_slice(&done.stdout)?))
    }
}

/// Returns the path of the package. Installs it if necessary.
fn install(packages: &Path) -> Option<PathBuf> {
    let folder = packages.join("node_modules").join(PISCINA);
    let module = folder.join("dist/main.js");
    if !module.exists() {
        let package = format!("{PISCINA}@{PISCINA_VERSION}");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
        stdout_of(npm.arg(packages).arg(package))?;
    }
    module.exists().then_some(module)
}
