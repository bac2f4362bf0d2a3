//! The whole of it: both builds, one after the other.

use std::fs::{self, File, TryLockError};
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::layout::{Flavour, Layout};
use crate::toolchain::Toolchain;
use crate::{bindgen, compile, stage, stamp::Stamp};

/// What to build, and where to.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Only the single-threaded build. A threaded one stays if it is not stale
    /// beside it, and is removed if it is.
    pub single: bool,
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

/// What [`build`] did.
#[derive(Clone, Debug)]
pub struct Summary {
    /// Where everything is.
    pub layout: Layout,
    /// The single-threaded build.
    pub single: Outcome,
    /// The threaded build.
    pub threads: Outcome,
}

impl Summary {
    /// Whether any file changed.
    #[must_use]
    pub fn changed(&self) -> bool {
        [&self.single, &self.threads].contains(&&Outcome::Built)
    }
}

/// Brings the package up to date, telling its progress on standard error.
///
/// Two calls at once take turns, be they in one process or in two.
///
/// # Errors
///
/// When the single-threaded build fails or its compiler can be neither found
/// nor installed. A threaded build that fails to *compile* is an error too; one
/// whose toolchain cannot be had is [`Outcome::Unavailable`], with a warning.
pub fn build(options: &Options) -> Result<Summary> {
    let layout = Layout::new(options.out.as_deref())?;
    let _turn = take_turn(&layout)?;

    Toolchain::Stable.ensure(&layout.root)?;
    // With the threaded build to follow at once, the old one may stay till then.
    let keep: &[&str] = if options.single { &[] } else { &["threads"] };
    let single = make(&layout, Flavour::Single, keep)?;

    let threads = if options.single {
        Outcome::Skipped
    } else if let Err(error) = Toolchain::Nightly.ensure(&layout.root) {
        eprintln!(
            "bundle: warning: no threaded build: {error:#}\n\
             bundle: the page works without it, on one thread"
        );
        // An old one would go on being served beside a newer page.
        stage::remove(&layout.package, &layout.output_of(Flavour::Threads))?;
        Outcome::Unavailable
    } else {
        make(&layout, Flavour::Threads, &[])?
    };

    Ok(Summary {
        layout,
        single,
        threads,
    })
}

fn make(layout: &Layout, flavour: Flavour, keep: &[&str]) -> Result<Outcome> {
    eprintln!("bundle: building {} wasm…", flavour.name());
    let wasm = compile::compile(layout, flavour)?;
    let output = layout.output_of(flavour);
    let stamp = Stamp::of(&wasm)?;
    if stamp.matches(&output) {
        return Ok(Outcome::Fresh);
    }
    stage::replace(&layout.package, &output, keep, |new| {
        bindgen::generate(&wasm, new)?;
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
