//! Reads text files.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

pub(super) fn read_text(path: &Path) -> Result<String> {
    fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))
}
