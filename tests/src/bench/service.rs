//! The service on `highwater-server` that the benchmarks measure.

use std::path::PathBuf;

use anyhow::Result;

use crate::run::run_checked;
use crate::workspace::Workspace;

/// Builds the service and returns its path.
pub(super) fn build(workspace: &Workspace) -> Result<PathBuf> {
    run_checked(&mut workspace.cargo("build --release -p highwater-server --example service"))?;
    Ok(workspace.target.join("release/examples/service"))
}
