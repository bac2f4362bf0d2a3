//! Which excerpts there are: `web/guides/sources.toml`, as it is written.

use std::collections::BTreeMap;

use serde::Deserialize;

/// An excerpt to be found.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ExcerptSpec {
    /// What it is, in a few words.
    pub(super) title: String,
    /// The file, from the workspace's root.
    pub(super) file: String,
    /// The item: `run`, or `Service::handle` of an `impl`.
    pub(super) item: String,
    /// What the first line to be shown has in it, if that is not the item's first.
    pub(super) from: Option<String>,
    /// What the last line to be shown has in it, if that is not the item's last.
    pub(super) to: Option<String>,
    /// With which settings it can run, `key=value&…`; with any, if there is none.
    #[serde(default)]
    pub(super) when: String,
    /// Records, and what the line has in it by which each is executed.
    #[serde(default)]
    pub(super) marks: Vec<(String, String)>,
}

/// The excerpts of each scenario.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, Vec<ExcerptSpec>>, toml::de::Error> {
    toml::from_str(text)
}
