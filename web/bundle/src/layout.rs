//! Where things are, and which of the builds they belong to.

use std::path::{Path, PathBuf};
use std::{env, fmt};

use anyhow::{Context as _, Result};

// The list that the crate has, without the crate: it would have this program
// compiled, and every output written, anew at each of its changes.
#[path = "../../../core/src/scenario/chapters.rs"]
mod chapters;

pub use chapters::{CHAPTERS, Chapter};

/// The chapters that have something to show, in the order in which the page
/// shows them.
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

/// One of the WebAssembly files that the page can download.
#[derive(Clone, Copy, Debug)]
pub enum Part {
    /// A chapter, in one of its flavours.
    Chapter(&'static Chapter, Flavour),
    /// What takes a visitor's own file; it comes in one flavour.
    File,
    /// What is made of whole runs; it comes in one flavour.
    Analysis,
}

impl Part {
    /// Which of the compilers builds it.
    #[must_use]
    pub fn flavour(self) -> Flavour {
        match self {
            Self::Chapter(_, flavour) => flavour,
            Self::File | Self::Analysis => Flavour::Single,
        }
    }

    /// The other build of a chapter; of what has but one, none.
    pub(crate) fn threaded(self) -> Option<Self> {
        match self {
            Self::Chapter(chapter, _) => Some(Self::Chapter(chapter, Flavour::Threads)),
            Self::File | Self::Analysis => None,
        }
    }

    /// The package it is built of, and the program in that. Not its library:
    /// cargo keeps the libraries of two chapters under one name, and takes the
    /// one for the other.
    pub(crate) fn source(self) -> (&'static str, &'static str) {
        match self {
            Self::Chapter(..) => ("highwater-web", "page"),
            Self::File => ("highwater-file", "file"),
            Self::Analysis => ("highwater-analysis", "analysis"),
        }
    }

    /// The name of the module that the page imports.
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
            Self::Chapter(chapter, flavour) => write!(f, "{}, {}", chapter.name, flavour.name()),
            Self::File => f.write_str("file"),
            Self::Analysis => f.write_str("analysis"),
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
    pub fn output_of(&self, part: Part) -> PathBuf {
        match part {
            Part::Chapter(chapter, Flavour::Single) => self.package.join(chapter.name),
            Part::Chapter(chapter, Flavour::Threads) => {
                self.package.join(chapter.name).join("threads")
            }
            Part::File => self.package.join("file"),
            Part::Analysis => self.package.join("analysis"),
        }
    }
}
