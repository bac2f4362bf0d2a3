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
        format!("{path} is missing: `cargo run -p tests -- setup` installs it")
    })?;
    evaluate(page, &source).await?;
    Ok(())
}

/// Fails if axe finds a violation of its default rules or of its `target-size` rule.
pub(crate) async fn ensure_no_violations(page: &Page, what: &str) -> Result<()> {
    const SCRIPT: &str = "return axe.run({ rules: { 'target-size': { enabled: true } } })
        .then(({ violations }) => violations.flatMap(({ id, help, nodes }) =>
            nodes.map(({ target, failureSummary }) => `${id} (${help}): ${target} ${failureSummary}`)))";
    let violations = evaluate(page, SCRIPT).await?;
    let violations = violations.as_array().context("axe did not return a list")?;
    let lines: Vec<_> = violations.iter().filter_map(Value::as_str).collect();
    ensure!(lines.is_empty(), "{what}: {}", lines.join("\n"));
    Ok(())
}

/// Returns the path where setup installs axe, relative to this test binary.
fn path() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().nth(3).unwrap();
    target.join("npm/node_modules/axe-core/axe.min.js")
}
