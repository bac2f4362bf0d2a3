//! The whole of it: every build, those on one thread beside the threaded ones.

use std::fs::{self, File, TryLockError};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::layout::{Flavour, Layout, Part, chapters};
use crate::toolchain::Toolchain;
use crate::{bindgen, compile, reading, stage, stamp::Stamp};

/// What to build, and where to.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only the single-threaded builds. A threaded one stays if it is not stale
    /// beside its own, and is removed if it is.
    pub single: bool,
    /// The name of the only chapter to build, or `file` or `analysis`; everything
    /// when there is none.
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
    /// The builds: the single-threaded ones first.
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

/// Brings the package up to date, telling its progress on standard error: what
/// runs on one thread, and beside it the threaded builds of the chapters.
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

    Toolchain::Stable.ensure(&layout.root)?;
    // Each compiles into a folder of its own, and much of what either takes is the
    // work of one core: a crate optimised as a whole.
    let (single, threaded) = thread::scope(|scope| {
        let threaded = scope.spawn(|| build_threaded(&layout, &wanted, options.single));
        (
            build_single(&layout, &wanted, options.single),
            threaded.join().unwrap_or_else(|panic| resume_unwind(panic)),
        )
    });
    let builds = [single?, threaded?].concat();
    Ok(Summary { layout, builds })
}

/// `only` these are wanted, so that a threaded one of another state has to go.
fn build_single(layout: &Layout, wanted: &[Part], only: bool) -> Result<Vec<Build>> {
    // With the threaded build beside it, the old one may stay till then.
    let keep: &[&str] = if only { &[] } else { &["threads"] };
    let build = |part: &Part| {
        let outcome = make(layout, *part, keep)?;
        Ok(Build {
            part: *part,
            outcome,
        })
    };
    wanted.iter().map(build).collect()
}

/// The threaded builds of the chapters that are wanted, unless all is to be
/// `single`.
fn build_threaded(layout: &Layout, wanted: &[Part], single: bool) -> Result<Vec<Build>> {
    let nightly = (!single).then(|| Toolchain::Nightly.ensure(&layout.root));
    if let Some(Err(error)) = &nightly {
        eprintln!(
            "bundle: warning: no threaded build: {error:#}\n\
             bundle: the page works without it, on one thread"
        );
    }
    let mut builds = Vec::new();
    for part in wanted {
        let Part::Chapter(chapter, _) = *part else {
            continue;
        };
        let part = Part::Chapter(chapter, Flavour::Threads);
        let outcome = match &nightly {
            None => Outcome::Skipped,
            Some(Ok(())) => make(layout, part, &[])?,
            Some(Err(_)) => {
                // An old one would go on being served beside a newer page.
                let output = layout.output_of(part);
                stage::remove(&layout.package, &output)?;
                Outcome::Unavailable
            }
        };
        builds.push(Build { part, outcome });
    }
    Ok(builds)
}

/// What is wanted, as far as it runs on one thread.
fn wanted(only: Option<&str>) -> Result<Vec<Part>> {
    let chapters =
        chapters().map(|chapter| (chapter.name, Part::Chapter(chapter, Flavour::Single)));
    let others = [("file", Part::File), ("analysis", Part::Analysis)];
    let all: Vec<_> = chapters.chain(others).collect();
    let Some(name) = only else {
        return Ok(all.into_iter().map(|(_, part)| part).collect());
    };
    if let Some((_, part)) = all.iter().find(|(known, _)| *known == name) {
        return Ok(vec![*part]);
    }
    let known: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    bail!("no chapter {name:?}: the chapters are {}", known.join(", "))
}

fn make(layout: &Layout, part: Part, keep: &[&str]) -> Result<Outcome> {
    eprintln!("bundle: building {part}…");
    let wasm = compile::compile(layout, part)?;
    let output = layout.output_of(part);
    // One for both builds of a chapter.
    let reading = match part {
        Part::Chapter(chapter, Flavour::Single) => Some(reading::of(&layout.root, chapter)?),
        _ => None,
    };
    let stamp = Stamp::of(&wasm)?;
    if stamp.matches(part.module(), &output) {
        return match reading {
            Some(text) if stage::update(&output, reading::FILE, &text)? => Ok(Outcome::Built),
            _ => Ok(Outcome::Fresh),
        };
    }
    stage::replace(&layout.package, &output, keep, |new| {
        bindgen::generate(&wasm, part.module(), new)?;
        if let Some(text) = &reading {
            fs::write(new.join(reading::FILE), text)?;
        }
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
        let names = |only| -> Result<Vec<String>> {
            Ok(wanted(only)?.iter().map(Part::to_string).collect())
        };
        assert_eq!(names(None).unwrap()[0], "events, single-threaded");
        assert_eq!(names(None).unwrap().last().unwrap(), "analysis");
        assert_eq!(names(Some("events")).unwrap(), ["events, single-threaded"]);
        assert_eq!(names(Some("file")).unwrap(), ["file"]);
        let error = names(Some("event")).unwrap_err().to_string();
        assert!(error.contains("no chapter \"event\": the chapters are events"));
    }
}
