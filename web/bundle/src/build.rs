//! Runs all builds. The single-threaded builds finish first, while the threaded ones
//! compile.

use std::fs::{self, File, TryLockError};
use std::panic::resume_unwind;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::{Context as _, Result, bail};

use crate::layout::{Flavor, Layout, Part, chapters};
use crate::toolchain::Toolchain;
use crate::{bindgen, compile, delivery, reading, stage, stamp::Stamp};

/// The selected builds and the output directory.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Skips the threaded builds. An existing threaded build is kept if the
    /// single-threaded one is fresh, and removed otherwise.
    pub single: bool,
    /// The only chapter to build, or `file` or `analysis`. `None` builds everything.
    pub chapter: Option<String>,
    /// The output directory. `None` is `www/pkg`.
    pub out: Option<PathBuf>,
}

/// The outcome of one build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The output was stale or missing and has been rebuilt.
    Built,
    /// The output was up to date.
    Fresh,
    /// The build was not requested.
    Skipped,
    /// The toolchain is not available. The page works without this build.
    Unavailable,
}

/// One build and its outcome.
#[derive(Clone, Debug)]
pub struct Build {
    /// The part that was built.
    pub part: Part,
    /// Its outcome.
    pub outcome: Outcome,
}

/// The result of [`build`].
#[derive(Clone, Debug)]
pub struct Summary {
    /// The directories used.
    pub layout: Layout,
    /// The builds, in execution order.
    pub builds: Vec<Build>,
}

impl Summary {
    /// Returns `true` if any file changed.
    #[must_use]
    pub fn has_changes(&self) -> bool {
        let mut outcomes = self.builds.iter().map(|build| &build.outcome);
        outcomes.any(|outcome| *outcome == Outcome::Built)
    }
}

/// Brings the package up to date and logs progress to standard error. The
/// single-threaded builds, which the page needs, finish first, while the threaded
/// builds compile.
///
/// Concurrent calls wait for each other, in one process or in several.
///
/// # Errors
///
/// Fails if the chapter is unknown, if a single-threaded build fails, or if its
/// compiler is missing and cannot be installed. A threaded build that fails to
/// *compile* is an error too. A missing nightly toolchain only logs a warning, and the
/// outcome is [`Outcome::Unavailable`].
pub fn build(options: &Options) -> Result<Summary> {
    let parts_to_build = parts_to_build(options.chapter.as_deref())?;
    let layout = Layout::new(options.out.as_deref())?;
    let _lock = lock_build(&layout)?;
    Toolchain::Stable.ensure(&layout.root)?;
    let threaded: Vec<_> = parts_to_build
        .iter()
        .filter_map(|part| part.threaded())
        .collect();
    // The flavors compile in parallel in separate target directories, because
    // optimising one crate uses only one core.
    let failed = AtomicBool::new(false);
    let (single, compiled) = thread::scope(|scope| {
        let compiled = scope.spawn(|| precompile_threaded(&layout, options, &threaded, &failed));
        let single = build_single(&layout, options, &parts_to_build);
        failed.store(single.is_err(), Ordering::Relaxed);
        (
            single,
            compiled.join().unwrap_or_else(|panic| resume_unwind(panic)),
        )
    });
    let single = single?;
    let threaded = build_threaded(&layout, threaded, compiled?.as_ref())?;
    delivery::prepare(&layout.delivered(), &layout.package)?;
    Ok(Summary {
        layout,
        builds: [single, threaded].concat(),
    })
}

fn build_single(layout: &Layout, options: &Options, parts_to_build: &[Part]) -> Result<Vec<Build>> {
    // Keep the old threaded build until the new one replaces it.
    let keep: &[&str] = if options.single { &[] } else { &["threads"] };
    let build_part = |part: &Part| {
        let outcome = build_part(layout, *part, keep)?;
        Ok(Build {
            part: *part,
            outcome,
        })
    };
    parts_to_build.iter().map(build_part).collect()
}

/// Compiles the threaded builds for [`build_threaded`] to install. Returns an outcome
/// instead if they are skipped or unavailable. Leaves the package unchanged until the
/// single-threaded builds are installed.
fn precompile_threaded(
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
             bundle: the page runs without it, on one thread"
        );
        return Ok(Some(Outcome::Unavailable));
    }
    for part in threaded {
        if failed.load(Ordering::Relaxed) {
            break;
        }
        eprintln!("bundle: compiling {part}…");
        // The next part overwrites this output, so `build_part` compiles it again.
        compile::compile(layout, *part)?;
    }
    Ok(None)
}

/// Installs the threaded builds, unless they are skipped or unavailable.
fn build_threaded(
    layout: &Layout,
    threaded: Vec<Part>,
    skip_outcome: Option<&Outcome>,
) -> Result<Vec<Build>> {
    let build_part = |part| {
        if skip_outcome == Some(&Outcome::Unavailable) {
            // A stale threaded build must not be served with a newer page.
            stage::remove(&layout.package, &layout.output_of(part))?;
        }
        let outcome = match skip_outcome {
            Some(outcome) => outcome.clone(),
            None => build_part(layout, part, &[])?,
        };
        Ok(Build { part, outcome })
    };
    threaded.into_iter().map(build_part).collect()
}

/// Returns the parts to build, in their single-threaded flavor.
fn parts_to_build(only: Option<&str>) -> Result<Vec<Part>> {
    let chapters = chapters().map(|chapter| (chapter.name, Part::Chapter(chapter, Flavor::Single)));
    let others = [("file", Part::File), ("analysis", Part::Analysis)];
    let all: Vec<_> = chapters.chain(others).collect();
    let Some(name) = only else {
        return Ok(all.into_iter().map(|(_, part)| part).collect());
    };
    if let Some((_, part)) = all.iter().find(|(known, _)| *known == name) {
        return Ok(vec![*part]);
    }
    let known: Vec<_> = all.iter().map(|(name, _)| *name).collect();
    bail!(
        "unknown chapter {name:?}: choose one of {}",
        known.join(", ")
    )
}

fn build_part(layout: &Layout, part: Part, keep: &[&str]) -> Result<Outcome> {
    eprintln!("bundle: building {part}…");
    let wasm = compile::compile(layout, part)?;
    let output = layout.output_of(part);
    // Both flavors of a chapter share the texts.
    let reading = match part {
        Part::Chapter(chapter, Flavor::Single) => Some(reading::generate(&layout.root, chapter)?),
        _ => None,
    };
    let stamp = Stamp::for_wasm(&wasm)?;
    if stamp.matches(part.module(), &output) {
        return match reading {
            Some(text) if stage::update(&output, reading::READING_FILE, &text)? => {
                Ok(Outcome::Built)
            }
            _ => Ok(Outcome::Fresh),
        };
    }
    stage::replace(&layout.package, &output, keep, |new| {
        bindgen::generate(&wasm, part.module(), new)?;
        if let Some(text) = &reading {
            fs::write(new.join(reading::READING_FILE), text)?;
        }
        stamp.write(new)
    })?;
    Ok(Outcome::Built)
}

/// Locks the package until the file is dropped. Cargo's own lock only covers
/// compilation.
fn lock_build(layout: &Layout) -> Result<File> {
    fs::create_dir_all(&layout.target)?;
    let path = layout.target.join(".bundle-lock");
    let error_context = || format!("cannot lock {}", path.display());
    let file = File::create(&path).with_context(error_context)?;
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => eprintln!("bundle: waiting for another build…"),
        Err(TryLockError::Error(error)) => return Err(error).with_context(error_context),
    }
    file.lock().with_context(error_context)?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chapter_is_selected_by_name() {
        let names = |only| -> Result<Vec<String>> {
            Ok(parts_to_build(only)?.iter().map(Part::to_string).collect())
        };
        assert_eq!(names(None).unwrap()[0], "events, single-threaded");
        assert_eq!(names(None).unwrap().last().unwrap(), "analysis");
        assert_eq!(names(Some("events")).unwrap(), ["events, single-threaded"]);
        assert_eq!(names(Some("file")).unwrap(), ["file"]);
        let error = names(Some("event")).unwrap_err().to_string();
        assert!(error.contains("unknown chapter \"event\": choose one of events"));
    }
}
