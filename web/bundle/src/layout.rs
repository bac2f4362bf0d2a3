//! Where things are, and which of the builds they belong to.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

// The list that the crate has, without the crate: it would have this program
// compiled, and every output written, anew at each of its changes.
#[path = "../../../core/src/scenario/contents.rs"]
mod contents;

pub use contents::{CHAPTERS, Chapter};

/// The chapters that have something to show. The first is what the page opens
/// with.
pub fn chapters() -> impl Iterator<Item = &'static Chapter> {
    let has_scenarios = |chapter: &&Chapter| !chapter.scenarios.is_empty();
    CHAPTERS.iter().filter(has_scenarios)
}

/// One of the two builds of a chapter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    /// Runs everywhere, on one thread.
    Single,
    /// Web Workers that share one memory.
    Threads,
}

impl Flavour {
    /// The adjective for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single-threaded",
            Self::Threads => "threaded",
        }
    }
}

/// The directories of one workspace.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The workspace root.
    pub root: PathBuf,
    /// Cargo's output of the stable builds.
    pub target: PathBuf,
    /// The package that is built: `www/pkg` unless asked otherwise.
    pub package: PathBuf,
}

impl Layout {
    /// The layout of the workspace this crate was compiled in, with the package
    /// in `out` (relative to the current directory) or else in `www/pkg`.
    ///
    /// # Errors
    ///
    /// When the current directory cannot be read, or `out` has no parent.
    pub fn new(out: Option<&Path>) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("the bundle crate is not two folders below the workspace root")?
            .to_owned();
        let here = env::current_dir().context("cannot tell the current directory")?;
        // Both threaded and single-threaded builds must end up in places of
        // their own, so a target directory from the environment is a base for
        // the two and not the final word.
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| here.join(dir));
        let package = out.map_or_else(|| root.join("www/pkg"), |out| here.join(out));
        Ok(Self {
            root,
            target,
            package,
        })
    }

    /// The page's own sources, which are served as they are.
    #[must_use]
    pub fn page(&self) -> PathBuf {
        self.root.join("www")
    }

    /// Cargo's target directory of a build.
    #[must_use]
    pub fn target_of(&self, flavour: Flavour) -> PathBuf {
        match flavour {
            Flavour::Single => self.target.clone(),
            Flavour::Threads => self.target.join("threads"),
        }
    }

    /// The output directory of a build.
    #[must_use]
    pub fn output_of(&self, chapter: &Chapter, flavour: Flavour) -> PathBuf {
        let single = self.package.join(chapter.name);
        match flavour {
            Flavour::Single => single,
            Flavour::Threads => single.join("threads"),
        }
    }
}
