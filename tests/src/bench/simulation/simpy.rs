//! SimPy, a widely used simulator in Python.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use super::queue::{Design, QueueRun, REQUESTS};
use crate::output::announce_installation;
use crate::run::{run_checked, stdout_of};
use crate::workspace::Workspace;

pub(super) const SIMPY: &str = "SimPy";
const VERSION: &str = "4.1.1";

/// The SimPy installation, if any.
pub(super) struct SimPy {
    script: PathBuf,
    packages: PathBuf,
    python: Option<String>,
}

impl SimPy {
    /// Finds Python and installs SimPy if necessary.
    pub(super) fn find(workspace: &Workspace) -> Self {
        let packages = workspace.target.join("python");
        let mut python = stdout_of(Command::new("python3").arg("--version"));
        if python.is_none() {
            eprintln!("tests: warning: python3 is not on the PATH; skipping SimPy");
        } else if let Err(error) = install(workspace, &packages) {
            eprintln!("tests: warning: {error:#}; skipping it");
            python = None;
        }
        SimPy {
            script: workspace.root.join("tests/python/bench-simulation.py"),
            packages,
            python,
        }
    }

    pub(super) fn versions(&self) -> Vec<String> {
        let python = self.python.iter();
        python
            .flat_map(|python| [python.clone(), format!("SimPy {VERSION}")])
            .collect()
    }

    /// Simulates the queue, if SimPy is installed.
    pub(super) fn run(&self, design: Design) -> Result<Option<QueueRun>> {
        if self.python.is_none() {
            return Ok(None);
        }
        let output = Command::new("python3")
            .arg(&self.script)
            .arg(design.name())
            .arg(REQUESTS.to_string())
            .env("PYTHONPATH", &self.packages)
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run python3")?;
        ensure!(output.status.success(), "SimPy failed");
        Ok(Some(serde_json::from_slice(&output.stdout)?))
    }
}

/// Installs SimPy into `packages` unless this version is there.
fn install(workspace: &Workspace, packages: &PathBuf) -> Result<()> {
    if packages.join(format!("simpy-{VERSION}.dist-info")).exists() {
        return Ok(());
    }
    announce_installation(SIMPY);
    let mut pip = workspace.command("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--upgrade", "--target"]);
    pip.arg(packages).arg(format!("simpy=={VERSION}"));
    run_checked(&mut pip).context("cannot install SimPy")
}
