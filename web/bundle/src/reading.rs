//! Generates the guides and source excerpts that the page loads as JSON.

mod excerpt;
mod guide;
mod mark;
mod table;
mod text;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use serde::Serialize;

use crate::layout::Chapter;
use excerpt::Excerpt;
use guide::Step;
use mark::RecordKinds;
use text::read_text;

/// File name in a chapter's output.
pub(crate) const READING_FILE: &str = "reading.json";

/// The texts of a chapter.
#[derive(Serialize)]
struct ChapterReading {
    /// Explains the chapter's pictures.
    caption: String,
    /// The texts of each scenario, by name.
    about: BTreeMap<&'static str, ScenarioReading>,
}

/// The texts of a scenario.
#[derive(Serialize)]
struct ScenarioReading {
    guide: Vec<Step>,
    sources: Vec<Excerpt>,
}

/// Generates the texts of a chapter as JSON. `root` is the workspace root.
///
/// # Errors
///
/// Fails if a guide is missing or invalid, or if an excerpt names a missing item.
pub(crate) fn generate(root: &Path, chapter: &Chapter) -> Result<String> {
    let guides = root.join("web/guides");
    let sources = guides.join("sources.toml");
    let table = table::read(&read_text(&sources)?)
        .with_context(|| format!("invalid {}", sources.display()))?;
    if let Some(name) = table.keys().find(|name| !is_scenario(name)) {
        bail!("{}: unknown scenario {name}", sources.display());
    }
    let kinds = RecordKinds::read(root)?;
    let caption = read_text(&guides.join(format!("{}.txt", chapter.name)))?;
    let mut about = BTreeMap::new();
    for name in chapter.scenarios {
        let path = guides.join(format!("{name}.md"));
        let guide = guide::parse(&read_text(&path)?)
            .with_context(|| format!("invalid {}", path.display()))?;
        let entries = table.get(*name).map_or(&[][..], Vec::as_slice);
        let sources = entries.iter().map(|entry| {
            Excerpt::find(root, entry, &kinds)
                .with_context(|| format!("{}, {name}, {}", sources.display(), entry.item))
        });
        let sources = sources.collect::<Result<_>>()?;
        about.insert(*name, ScenarioReading { guide, sources });
    }
    Ok(serde_json::to_string(&ChapterReading { caption, about })?)
}

fn is_scenario(name: &str) -> bool {
    let mut chapters = crate::CHAPTERS.iter();
    chapters.any(|chapter| chapter.scenarios.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::Layout;

    #[test]
    fn every_scenario_has_a_guide_and_sources() {
        let root = Layout::new(None).unwrap().root;
        for chapter in crate::chapters() {
            let reading = generate(&root, chapter).unwrap();
            let reading: serde_json::Value = serde_json::from_str(&reading).unwrap();
            for name in chapter.scenarios {
                let about = &reading["about"][name];
                let steps = about["guide"].as_array().unwrap();
                assert!((3..=9).contains(&steps.len()), "{name}");
                let sources = about["sources"].as_array().unwrap();
                assert!((2..=6).contains(&sources.len()), "{name}");
            }
        }
    }
}
