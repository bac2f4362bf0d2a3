//! The compared servers.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};
use load::cluster::Cluster;

use super::super::rounds::HIGHWATER;
use super::super::service;
use crate::run::run_checked;
use crate::workspace::Workspace;

/// The number of workers in a cluster.
pub(super) const WORKERS: usize = 2;

/// A compared server.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Contestant {
    NodeSingle,
    NodeCluster,
    Highwater,
    /// A service of its own on `highwater-server`.
    Service,
}

impl Contestant {
    pub(super) const ALL: [Self; 3] = [Self::NodeSingle, Self::NodeCluster, Self::Highwater];
    /// The servers that replace crashed workers.
    pub(super) const CLUSTERS: [Self; 3] = [Self::NodeCluster, Self::Highwater, Self::Service];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::NodeSingle => "Node",
            Self::NodeCluster => "Node cluster (2)",
            Self::Highwater => HIGHWATER,
            Self::Service => "highwater-server",
        }
    }
}

/// Paths of the server programs.
pub(super) struct Servers {
    script: PathBuf,
    highwater: PathBuf,
    service: PathBuf,
}

impl Servers {
    /// Builds `highwater` and the service.
    pub(super) fn prepare(workspace: &Workspace) -> Result<Self> {
        run_checked(&mut workspace.cargo("build --release -p native"))?;
        Ok(Servers {
            script: workspace.root.join("tests/node/bench-http.mjs"),
            highwater: workspace.target.join("release/highwater"),
            service: service::build(workspace)?,
        })
    }

    pub(super) fn start(&self, contestant: Contestant) -> Result<Cluster> {
        let workers = WORKERS.to_string();
        let mut node = Command::new("node");
        node.arg(&self.script);
        let (mut command, workers) = match contestant {
            Contestant::NodeSingle => {
                node.arg("single");
                (node, 1)
            }
            Contestant::NodeCluster => {
                node.args(["cluster", &workers]);
                (node, WORKERS)
            }
            Contestant::Highwater => {
                let mut highwater = Command::new(&self.highwater);
                highwater.args(["cluster", "--json", "--workers", &workers]);
                (highwater, WORKERS)
            }
            Contestant::Service => {
                let mut service = Command::new(&self.service);
                service.args(["--json", "--workers", &workers]);
                (service, WORKERS)
            }
        };
        Cluster::start(&mut command, workers)
            .with_context(|| format!("cannot start {}", contestant.name()))
    }
}
