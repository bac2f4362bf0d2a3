//! Builds the page's WebAssembly package, `www/pkg`, from the `web` crates.
//!
//! The page downloads the chapter that is opened, so each [`Chapter`] is a build
//! of its own: of one crate, with the feature of that name. It comes in two
//! flavours:
//!
//! | build | toolchain | output | when it is loaded |
//! |---|---|---|---|
//! | single-threaded | stable | `www/pkg/CHAPTER/` | with the first of its scenarios |
//! | threaded | pinned nightly | `www/pkg/CHAPTER/threads/` | by a Worker, where the browser allows shared memory |
//!
//! What takes a visitor's own file is a crate and a build of its own, loaded
//! when a file is chosen: `www/pkg/file/`, single-threaded. What is made of whole
//! runs is another, loaded after the first of them: `www/pkg/analysis/`.
//!
//! With a chapter comes what there is to read about its scenarios, `reading.json`:
//! the guides of `web/guides` and excerpts of the sources that run.
//!
//! Each goes through the same steps, one module each: [`Toolchain`] makes sure
//! that the compiler is there, `compile` has cargo build the `.wasm` file,
//! `bindgen` writes the JavaScript around it, `stage` swaps the result in, and
//! [`Report`] weighs what the page now downloads. Cargo decides whether the
//! `.wasm` is stale; a `stamp` in the output decides whether the rest is.
//!
//! The threaded build is an extra: the page works without it, so a machine that
//! cannot build it gets a warning and a page that runs on one thread.

mod bindgen;
mod build;
mod compile;
mod environment;
mod layout;
mod reading;
mod report;
mod stage;
mod stamp;
mod toolchain;

pub use build::{Build, Options, Outcome, Summary, build};
pub use layout::{CHAPTERS, Chapter, Flavour, Layout, Part, chapters};
pub use report::{Budget, Report, Row};
pub use toolchain::{NIGHTLY, TARGET, Toolchain};
