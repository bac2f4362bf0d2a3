//! The whole of it: every build. Those on one thread come first; the others are
//! compiled meanwhile.

use std::fs::{self, File, TryLockError};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
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
/// of the chapters, which are compiled meanwhile.
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
    let _lock = lock_build(&layout)?;
    Toolchain::Stable.ensure(&layout.root)?;
    let threaded: Vec<_> = wanted.iter().filter_map(|part| part.threaded()).collect();
    // Each compiles into a folder of its own, and much of what either takes is the
    // work of one core: a crate optimised as a whole.
    let failed = AtomicBool::new(false);
    let (single, ahead) = thread::scope(|scope| {
        let ahead = scope.spawn(|| compile_ahead(&layout, options, &threaded, &failed));
        let single = make_single(&layout, options, &wanted);
        failed.store(single.is_err(), Ordering::Relaxed);
        (
            single,
            ahead.join().unwrap_or_else(|panic| resume_unwind(panic)),
        )
    });
    let single = single?;
    let threaded = make_threaded(&layout, threaded, ahead?.as_ref())?;
    Ok(Summary {
        layout,
        builds: [single, threaded].concat(),
    })
}

fn make_single(layout: &Layout, options: &Options, wanted: &[Part]) -> Result<Vec<Build>> {
    // With the threaded build to follow, the old one may stay till then.
    let keep: &[&str] = if options.single { &[] } else { &["threads"] };
    let make = |part: &Part| {
        let outcome = make(layout, *part, keep)?;
        Ok(Build {
            part: *part,
            outcome,
        })
    };
    wanted.iter().map(make).collect()
}

/// Has the threaded builds compiled, so that [`make_threaded`] finds them done, or
/// says what becomes of them instead. Nothing is written to the package: it is to
/// change only once the other builds are there.
fn compile_ahead(
    layout: &Layout,
    options: &Options,
    threaded: &[Part],
    failed: &AtomicBool,
) -> Result<Option<Outcome>> {
    if options.single || threaded.is_empty() {
        return Ok(Some(Outcome::Skipped));
    }
    if let Err(error) = Toolchain::Nightly.ensure(&layout.root) {
        eprintln!(
            "bundle: warning: no threaded build: {error:#}\n\
             bundle: the page works without it, on one thread"
        );
        return Ok(Some(Outcome::Unavailable));
    }
    for part in threaded {
        if failed.load(Ordering::Relaxed) {
            break;
        }
        eprintln!("bundle: compiling {part}…");
        // Where it is put, the next one will be: its turn comes again.
        compile::compile(layout, *part)?;
    }
    Ok(None)
}

/// Makes them, unless something else becomes of them.
fn make_threaded(
    layout: &Layout,
    threaded: Vec<Part>,
    instead: Option<&Outcome>,
) -> Result<Vec<Build>> {
    let make = |part| {
        if instead == Some(&Outcome::Unavailable) {
            // An old one would go on being served beside a newer page.
            stage::remove(&layout.package, &layout.output_of(part))?;
        }
        let outcome = match instead {
            Some(outcome) => outcome.clone(),
            None => make(layout, part, &[])?,
        };
        Ok(Build { part, outcome })
    };
    threaded.into_iter().map(make).collect()
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
fn lock_build(layout: &Layout) -> Result<File> {
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
    fn chapter_is_selected_by_name() {
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
