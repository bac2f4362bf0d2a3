//! The list of excerpts, `web/guides/sources.toml`.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An entry of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExcerptSpec {
    /// Short title.
    pub(super) title: String,
    /// Source file, relative to the workspace root.
    pub(super) file: String,
    /// Item: `run`, or `Service::handle` in an `impl`.
    pub(super) item: String,
    /// Text in the first line to show; by default the item's first line.
    pub(super) from: Option<String>,
    /// Text in the last line to show; by default the item's last line.
    pub(super) to: Option<String>,
    /// Settings required for this code to run, `key=value&…`.
    #[serde(default)]
    pub(super) when: String,
    /// Records, each with text in the line that writes it.
    #[serde(default)]
    pub(super) marks: Vec<(String, String)>,
}

/// Parses the list into the excerpts of each scenario.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, Vec<ExcerptSpec>>, toml::de::Error> {
    toml::from_str(text)
}
