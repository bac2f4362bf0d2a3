//! Node's event loop, worker threads and piscina.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::run::stdout_of;
use crate::workspace::Workspace;

pub(super) const PISCINA: &str = "piscina";
const PISCINA_VERSION: &str = "5.3.2";

/// The Node installation, if any, and its packages.
pub(super) struct Node {
    script: PathBuf,
    version: Option<String>,
    piscina: Option<PathBuf>,
}

/// A method of running CPU work in Node.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Execution {
    Loop,
    Threads,
    Piscina,
}

/// Event loop delay, in milliseconds.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct LoopDelay {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

#[derive(Deserialize)]
struct Throughput {
    per_second: f64,
}

impl Execution {
    pub(super) const ALL: [Self; 3] = [Self::Loop, Self::Threads, Self::Piscina];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Loop => "Node, on its loop",
            Self::Threads => "Node worker_threads",
            Self::Piscina => PISCINA,
        }
    }

    fn argument(self) -> &'static str {
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
            eprintln!("tests: warning: node is not on the PATH; skipping the Node contestants");
        } else if piscina.is_none() {
            eprintln!("tests: warning: npm cannot install {PISCINA}; skipping it");
        }
        Node {
            script: workspace.root.join("tests/node/bench-pool.mjs"),
            version,
            piscina,
        }
    }

    pub(super) fn is_installed(&self) -> bool {
        self.version.is_some()
    }

    /// Returns the versions of the peers.
    pub(super) fn versions(&self) -> Vec<String> {
        let node = self.version.iter().map(|version| format!("Node {version}"));
        let package = self.piscina.iter();
        let package = package.map(|_| format!("{PISCINA} {PISCINA_VERSION}"));
        node.chain(package).collect()
    }

    /// Returns the event loop delay while two jobs run, or `None` if Node or piscina is
    /// missing.
    pub(super) fn delay(&self, execution: Execution, size: u32) -> Result<Option<LoopDelay>> {
        self.run("delay", execution, size)
    }

    /// Returns piscina's throughput in jobs per second.
    pub(super) fn small_task_rate(&self, size: u32) -> Result<Option<f64>> {
        let throughput: Option<Throughput> = self.run("tasks", Execution::Piscina, size)?;
        Ok(throughput.map(|throughput| throughput.per_second))
    }

    fn run<T: DeserializeOwned>(
        &self,
        measurement: &str,
        execution: Execution,
        size: u32,
    ) -> Result<Option<T>> {
        let is_installed = match execution {
            Execution::Piscina => self.piscina.is_some(),
            Execution::Loop | Execution::Threads => self.version.is_some(),
        };
        if !is_installed {
            return Ok(None);
        }
        let mut command = Command::new("node");
        command
            .arg(&self.script)
            .args([measurement, execution.argument()]);
        command.arg(size.to_string()).args(&self.piscina);
        let output = command
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run node")?;
        ensure!(output.status.success(), "node failed on {measurement}");
        Ok(Some(serde_json::from_slice(&output.stdout)?))
    }
}

/// Returns the path of the package's module. Installs the package if necessary.
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
