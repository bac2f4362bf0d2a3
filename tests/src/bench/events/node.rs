//! Node emitters.

use std::ffi::OsStr;

use anyhow::Result;
use serde::Deserialize;

use super::super::node::{Node, Package};
use super::emitters::TURN;
use crate::workspace::Workspace;

const EVENTEMITTER3: &str = "eventemitter3";

#[derive(Deserialize)]
struct Measurement {
    nanoseconds: f64,
}

pub(super) fn find(workspace: &Workspace) -> Node {
    let package = Package {
        name: EVENTEMITTER3,
        version: "5.0.1",
        module: "index.js",
    };
    Node::find(workspace, "bench-events.mjs", package)
}

/// Returns the time per emit of each available emitter, in nanoseconds.
pub(super) fn emits(node: &Node, listeners: usize) -> Result<Vec<(&'static str, f64)>> {
    let (listeners, turn) = (listeners.to_string(), TURN.as_millis().to_string());
    let events = node
        .is_installed()
        .then_some(("Node EventEmitter", OsStr::new("node:events")));
    let package = node.module().map(|path| (EVENTEMITTER3, path.as_os_str()));
    let contestants = events.into_iter().chain(package);
    let emits = contestants.map(|(name, module)| {
        let measured: Measurement = node.run(&[module, listeners.as_ref(), turn.as_ref()])?;
        Ok((name, measured.nanoseconds))
    });
    emits.collect()
}
