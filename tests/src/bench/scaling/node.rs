//! The peers that run in Node.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::super::printed;
use crate::workspace::Workspace;

pub(super) const PISCINA: &str = "piscina";
const PISCINA_VERSION: &str = "5.3.2";

/// Node, if it is there, and what was found for it.
pub(super) struct Node {
    script: PathBuf,
    version: Option<String>,
    piscina: Option<PathBuf>,
}

/// Where the work is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum How {
    Loop,
    Threads,
    Piscina,
}

/// How late the ticks of a loop were, in milliseconds.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Delay {
    pub(super) p50: f64,
    pub(super) p99: f64,
    pub(super) max: f64,
}

#[derive(Deserialize)]
struct Tasks {
    per_second: f64,
}

impl How {
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
        let version = printed(Command::new("node").arg("--version"));
        let packages = workspace.root.join("target").join("npm");
        let piscina = version.as_ref().and_then(|_| install(&packages));
        if version.is_none() {
            eprintln!("tests: there is no node on the PATH: there is nothing to compare with");
        } else if piscina.is_none() {
            eprintln!("tests: npm could not install {PISCINA}: it is left out");
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

    /// What was compared with.
    pub(super) fn versions(&self) -> Vec<String> {
        let node = self.version.iter().map(|version| format!("Node {version}"));
        let package = self.piscina.iter();
        let package = package.map(|_| format!("{PISCINA} {PISCINA_VERSION}"));
        node.chain(package).collect()
    }

    /// How late its loop is while two of these are computed; `None` if what it
    /// takes is not there.
    pub(super) fn delay(&self, how: How, size: u32) -> Result<Option<Delay>> {
        self.run("delay", how, size)
    }

    /// How many of these piscina does a second.
    pub(super) fn tasks(&self, size: u32) -> Result<Option<f64>> {
        let tasks: Option<Tasks> = self.run("tasks", How::Piscina, size)?;
        Ok(tasks.map(|tasks| tasks.per_second))
    }

    fn run<T: DeserializeOwned>(&self, what: &str, how: How, size: u32) -> Result<Option<T>> {
        let is_there = match how {
            How::Piscina => self.piscina.is_some(),
            How::Loop | How::Threads => self.version.is_some(),
        };
        if !is_there {
            return Ok(None);
        }
        let mut command = Command::new("node");
        command.arg(&self.script).args([what, how.word()]);
        command.arg(size.to_string()).args(&self.piscina);
        let done = command
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run node")?;
        ensure!(done.status.success(), "node failed on {what}");
        Ok(Some(serde_json::from_slice(&done.stdout)?))
    }
}

/// Where the package is, installed if need be.
fn install(packages: &Path) -> Option<PathBuf> {
    let folder = packages.join("node_modules").join(PISCINA);
    let module = folder.join("dist/main.js");
    if !module.exists() {
        let package = format!("{PISCINA}@{PISCINA_VERSION}");
        let mut npm = Command::new("npm");
        npm.args(["install", "--no-audit", "--no-fund", "--silent", "--prefix"]);
        printed(npm.arg(packages).arg(package))?;
    }
    module.exists().then_some(module)
}
