//! Reads the page's sizes from the bundle's output.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};

/// Name, size and limit, in bytes after brotli.
pub(crate) type Size = (String, f64, f64);

/// Reads the budgets from the output of `bundle --sizes`.
pub(crate) fn read(file: &Path) -> Result<Vec<Size>> {
    let text = fs::read_to_string(file).context("cannot read the sizes")?;
    let budgets = text.lines().skip_while(|line| !line.starts_with("budget "));
    let sizes: Vec<_> = budgets.skip(1).filter_map(parse).collect();
    ensure!(!sizes.is_empty(), "the bundle printed no budgets");
    Ok(sizes)
}

/// Parses a line such as `HTML + CSS + JS    25000    21114  ok`.
fn parse(line: &str) -> Option<Size> {
    let mut words = line.split_whitespace().rev();
    let _verdict = words.next()?;
    let [found, limit] = [words.next()?, words.next()?].map(|word| word.parse().ok());
    let what: Vec<_> = words.rev().collect();
    Some((what.join(" "), found?, limit?))
}
