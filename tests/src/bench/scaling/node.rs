//! Node's event loop, worker threads and piscina.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::Result;
use serde::Deserialize;

use super::super::node::{Node, Package};
use crate::workspace::Workspace;

pub(super) const PISCINA: &str = "piscina";

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

pub(super) fn find(workspace: &Workspace) -> Node {
    let package = Package {
        name: PISCINA,
        version: "5.3.2",
        module: "dist/main.js",
    };
    Node::find(workspace, "bench-pool.mjs", package)
}

/// Returns the event loop delay while two jobs run, or `None` if Node or piscina is
/// missing.
pub(super) fn delay(node: &Node, execution: Execution, size: u32) -> Result<Option<LoopDelay>> {
    let is_installed = match execution {
        Execution::Piscina => node.module().is_some(),
        Execution::Loop | Execution::Threads => node.is_installed(),
    };
    is_installed
        .then(|| node.run(&arguments(node, "delay", execution, &size.to_string())))
        .transpose()
}

/// Returns piscina's throughput in jobs per second, or `None` if it is missing.
pub(super) fn small_task_rate(node: &Node, size: u32) -> Result<Option<f64>> {
    let size = size.to_string();
    let run = |_| node.run(&arguments(node, "tasks", Execution::Piscina, &size));
    let throughput: Option<Throughput> = node.module().map(run).transpose()?;
    Ok(throughput.map(|throughput| throughput.per_second))
}

fn arguments<'a>(
    node: &'a Node,
    measurement: &'a str,
    execution: Execution,
    size: &'a str,
) -> Vec<&'a OsStr> {
    let words = [measurement, execution.argument(), size].map(OsStr::new);
    words
        .into_iter()
        .chain(node.module().map(Path::as_os_str))
        .collect()
}
