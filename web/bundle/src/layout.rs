//! The parts of the package, and the directories of the builds.

use std::path::{Path, PathBuf};
use std::{env, fmt};

use anyhow::{Context as _, Result};

// Includes only the list. Depending on the whole crate would rebuild this program, and
// every output, on each change.
#[path = "../../../core/src/scenario/chapters.rs"]
mod chapters;

pub use chapters::{CHAPTERS, Chapter};

/// Returns the chapters that have scenarios, in the page's order.
pub fn chapters() -> impl Iterator<Item = &'static Chapter> {
    let has_scenarios = |chapter: &&Chapter| !chapter.scenarios.is_empty();
    CHAPTERS.iter().filter(has_scenarios)
}

/// The flavor of a build.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavor {
    /// Runs in every browser, on one thread.
    Single,
    /// Uses Web Workers that share one memory.
    Threads,
}

impl Flavor {
    /// Returns the name for messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single-threaded",
            Self::Threads => "threaded",
        }
    }
}

/// A WebAssembly file that the page can download.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// A chapter in one of its flavors.
    Chapter(&'static Chapter, Flavor),
    /// The pipeline for a visitor's own file; single-threaded.
    File,
    /// The analysis of complete runs; single-threaded.
    Analysis,
}

impl Part {
    /// Returns the flavor of this build.
    #[must_use]
    pub fn flavor(self) -> Flavor {
        match self {
            Self::Chapter(_, flavor) => flavor,
            Self::File | Self::Analysis => Flavor::Single,
        }
    }

    /// Returns the threaded build of a chapter, or `None` for other parts.
    pub(crate) fn threaded(self) -> Option<Self> {
        match self {
            Self::Chapter(chapter, _) => Some(Self::Chapter(chapter, Flavor::Threads)),
            Self::File | Self::Analysis => None,
        }
    }

    /// Returns the package and the binary to build. Parts are built as binaries,
    /// because cargo stores the libraries of all chapters under one name and confuses
    /// them.
    pub(crate) fn source(self) -> (&'static str, &'static str) {
        match self {
            Self::Chapter(..) => ("highwater-web", "page"),
            Self::File => ("highwater-file", "file"),
            Self::Analysis => ("highwater-analysis", "analysis"),
        }
    }

    /// Returns the name of the module that the page imports.
    pub(crate) fn module(self) -> &'static str {
        match self {
            Self::Chapter(..) => "highwater_web",
            Self::File => "highwater_file",
            Self::Analysis => "highwater_analysis",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Chapter(chapter, flavor) => write!(f, "{}, {}", chapter.name, flavor.name()),
            Self::File => f.write_str("file"),
            Self::Analysis => f.write_str("analysis"),
        }
    }
}

/// The directories of a workspace.
#[derive(Clone, Debug)]
pub struct Layout {
    /// The workspace root.
    pub root: PathBuf,
    /// Cargo's target directory of the stable builds.
    pub target: PathBuf,
    /// The output directory, `www/pkg` by default.
    pub package: PathBuf,
}

impl Layout {
    /// Returns the layout of the workspace that contains this crate. The package
    /// directory is `out`, relative to the current directory, or `www/pkg` by default.
    ///
    /// # Errors
    ///
    /// Fails if the current directory cannot be read.
    pub fn new(out: Option<&Path>) -> Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"))
            .ancestors()
            .nth(2)
            .context("the bundle crate is not two folders below the workspace root")?
            .to_owned();
        let current_dir = env::current_dir().context("cannot read the current directory")?;
        // `CARGO_TARGET_DIR` applies to both flavors, which use different directories
        // in it.
        let target = env::var_os("CARGO_TARGET_DIR")
            .map_or_else(|| root.join("target"), |dir| current_dir.join(dir));
        let package = out.map_or_else(|| root.join("www/pkg"), |out| current_dir.join(out));
        Ok(Self {
            root,
            target,
            package,
        })
    }

    /// Returns the directory of the page's static files.
    #[must_use]
    pub fn page(&self) -> PathBuf {
        self.root.join("www")
    }

    /// Returns the directory of the files to deliver: the page's with the package in it,
    /// or the package if it is elsewhere.
    pub(crate) fn delivered(&self) -> PathBuf {
        let page = self.page();
        if self.package.starts_with(&page) {
            page
        } else {
            self.package.clone()
        }
    }

    /// Returns cargo's target directory of a build.
    #[must_use]
    pub fn target_of(&self, flavor: Flavor) -> PathBuf {
        match flavor {
            Flavor::Single => self.target.clone(),
            Flavor::Threads => self.target.join("threads"),
        }
    }

    /// Returns the output directory of a build.
    #[must_use]
    pub fn output_of(&self, part: Part) -> PathBuf {
        match part {
            Part::Chapter(chapter, Flavor::Single) => self.package.join(chapter.name),
            Part::Chapter(chapter, Flavor::Threads) => {
                self.package.join(chapter.name).join("threads")
            }
            Part::File => self.package.join("file"),
            Part::Analysis => self.package.join("analysis"),
        }
    }
}
