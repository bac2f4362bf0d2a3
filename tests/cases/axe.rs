//! Accessibility checks with axe.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::browser::Page;
use crate::experiment::evaluate;

/// Loads axe into the open page.
pub(crate) async fn load(page: &Page) -> Result<()> {
    let path = path();
    let source = fs::read_to_string(&path).with_context(|| {
        let path = path.display();
        format!("no {path}: `cargo run -p tests -- setup` installs it")
    })?;
    evaluate(page, &source).await?;
    Ok(())
}

/// Fails if axe finds a violation of its default rules or of the target size.
pub(crate) async fn ensure_clean(page: &Page, what: &str) -> Result<()> {
    const SCRIPT: &str = "return axe.run({ rules: { 'target-size': { enabled: true } } })
        .then(({ violations }) => violations.flatMap(({ id, help, nodes }) =>
            nodes.map(({ target, failureSummary }) => `${id} (${help}): ${target} ${failureSummary}`)))";
    let found = evaluate(page, SCRIPT).await?;
    let found = found.as_array().context("axe gave no list")?;
    let lines: Vec<_> = found.iter().filter_map(Value::as_str).collect();
    ensure!(lines.is_empty(), "{what}: {}", lines.join("\n"));
    Ok(())
}

/// Returns the path that setup installs axe to, relative to this test binary.
fn path() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    target.join("npm/node_modules/axe-core/axe.min.js")
}
