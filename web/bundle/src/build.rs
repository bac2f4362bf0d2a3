//! The whole of it: every build, one after the other.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};

use crate::layout::{Chapter, Flavour, Layout, Part, chapters};
use crate::toolchain::Toolchain;
use crate::{bindgen, compile, stage, stamp::Stamp};

/// What to build, and where to.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only the single-threaded builds. A threaded one stays if it is not stale
    /// beside its own, and is removed if it is.
    pub single: bool,
    /// The name of the only chapter to build; everything when there is none.
    pub chapter: Option<String>,
    /// The output directory; `www/pkg` when there is none.
    pub out: Option<PathBuf>,
}

/// What became of one build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was stale or missing, and is written now.
    Built,
    /// It was up to date.
    Fresh,
    /// It was not asked for.
    Skipped,
    /// It cannot be built here; the page runs without it.
    Unavailable,
}

/// One build, and what became of it.
#[derive(Clone, Debug)]
pub struct Build {
    /// Of what.
    pub part: Part,
    /// What became of it.
    pub outcome: Outcome,
}

/// What [`build`] did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Where everything is.
    pub layout: Layout,
    /// The builds, in the order they were made.
    pub builds: Vec<Build>,
}

impl Summary {
    /// Whether any file changed.
    #[must_use]
    pub fn changed(&self) -> bool {
        let mut outcomes = self.builds.iter().map(|build| &build.outcome);
        outcomes.any(|outcome| *outcome == Outcome::Built)
    }
}

/// Brings the package up to date, telling its progress on standard error: first
/// what runs on one thread, since the page needs that, then the threaded builds
/// of the chapters.
///
/// Two calls at once take turns, be they in one process or in two.
///
/// # Errors
///
/// When there is no such chapter, or when a single-threaded build fails or its
/// compiler can be neither found nor installed. A threaded build that fails to
/// *compile* is an error too; one whose toolchain cannot be had is
/// [`Outcome::Unavailable`], with a warning.
pub fn build(options: &Options) -> Result<Summary> {
    let wanted = wanted(options.chapter.as_deref())?;
    let layout = Layout::new(options.out.as_deref())?;
    let _turn = take_turn(&layout)?;
    let mut builds = Vec::new();
    let mut note = |part, outcome| builds.push(Build { part, outcome });

    Toolchain::Stable.ensure(&layout.root)?;
    for chapter in &wanted {
        // With the threaded build to follow, the old one may stay till then.
        let keep: &[&str] = if options.single { &[] } else { &["threads"] };
        let part = Part::Chapter(chapter, Flavour::Single);
        note(part, make(&layout, part, keep)?);
    }
    if options.chapter.is_none() {
        note(Part::File, make(&layout, Part::File, &[])?);
    }

    let nightly = (!options.single).then(|| Toolchain::Nightly.ensure(&layout.root));
    if let Some(Err(error)) = &nightly {
        eprintln!(
            "bundle: warning: no threaded build: {error:#}\n\
             bundle: the page works without it, on one thread"
        );
    }
    for chapter in &wanted {
        let part = Part::Chapter(chapter, Flavour::Threads);
        let outcome = match &nightly {
            None => Outcome::Skipped,
            Some(Ok(())) => make(&layout, part, &[])?,
            Some(Err(_)) => {
                // An old one would go on being served beside a newer page.
                let output = layout.output_of(part);
                stage::remove(&layout.package, &output)?;
                Outcome::Unavailable
            }
        };
        note(part, outcome);
    }

    Ok(Summary { layout, builds })
}

fn wanted(only: Option<&str>) -> Result<Vec<&'static Chapter>> {
    let all: Vec<_> = chapters().collect();
    let Some(name) = only else { return Ok(all) };
    if let Some(chapter) = all.iter().find(|chapter| chapter.name == name) {
        return Ok(vec![chapter]);
    }
    let known: Vec<_> = all.iter().map(|chapter| chapter.name).collect();
    bail!("no chapter {name:?}: the chapters are {}", known.join(", "))
}

fn make(layout: &Layout, part: Part, keep: &[&str]) -> Result<Outcome> {
    eprintln!("bundle: building {part}…");
    let wasm = compile::compile(layout, part)?;
    let output = layout.output_of(part);
    let stamp = Stamp::of(&wasm)?;
    if stamp.matches(part.module(), &output) {
        return Ok(Outcome::Fresh);
    }
    stage::replace(&layout.package, &output, keep, |new| {
        bindgen::generate(&wasm, part.module(), new)?;
        stamp.write(new)
    })?;
    Ok(Outcome::Built)
}

/// Held until dropped. Cargo has a lock for its own part only.
fn take_turn(layout: &Layout) -> Result<File> {
    fs::create_dir_all(&layout.target)?;
    let path = layout.target.join(".bundle-lock");
    let cannot = || format!("cannot lock {}", path.display());
    let file = File::create(&path).with_context(cannot)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => eprintln!("bundle: waiting for another build…"),
        Err(TryLockError::Error(error)) => return Err(error).with_context(cannot),
    }
    file.lock().with_context(cannot)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chapter_is_chosen_by_its_name() {
        let names = |only| -> Result<Vec<_>> {
            Ok(wanted(only)?.iter().map(|chapter| chapter.name).collect())
        };
        assert_eq!(names(None).unwrap()[0], "events");
        assert_eq!(names(Some("events")).unwrap(), ["events"]);
        let error = names(Some("event")).unwrap_err().to_string();
        assert!(error.contains("no chapter \"event\": the chapters are events"));
    }
}
