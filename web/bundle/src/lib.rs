//! Builds the page's WebAssembly package, `www/pkg`, from the `web` crates.
//!
//! The page downloads only the chapter that is opened, so each [`Chapter`] is built
//! separately: the same crate with the feature of that name. It comes in two flavors:
//!
//! | build | toolchain | output | when it is loaded |
//! |---|---|---|---|
//! | single-threaded | stable | `www/pkg/CHAPTER/` | with the first of its scenarios |
//! | threaded | pinned nightly | `www/pkg/CHAPTER/threads/` | by a Worker, where the browser allows shared memory |
//!
//! Two more crates are built single-threaded: `www/pkg/file/`, loaded when a visitor
//! chooses a file, and `www/pkg/analysis/`, loaded after the first run.
//!
//! Each chapter has a `reading.json` with the guides from `web/guides` and source
//! excerpts for its scenarios.
//!
//! All builds have the same steps, each in its own module: [`Toolchain`] finds or
//! installs the compiler, `compile` runs cargo, `bindgen` writes the JavaScript,
//! `stage` replaces the old output, `delivery` compresses the page's files, and
//! [`Report`] prints the compressed sizes. Cargo decides whether the `.wasm` is stale; a
//! `stamp` in the output decides whether the rest is.
//!
//! The threaded build is optional. If it cannot be built, the bundle logs a warning and
//! the page runs on one thread.

mod bindgen;
mod build;
mod compile;
mod delivery;
mod environment;
mod layout;
mod reading;
mod report;
mod stage;
mod stamp;
mod toolchain;

pub use build::{Build, Options, Outcome, Summary, build};
pub use layout::{CHAPTERS, Chapter, Flavor, Layout, Part, chapters};
pub use report::{Budget, Report, Row};
pub use toolchain::{NIGHTLY, TARGET, Toolchain};
