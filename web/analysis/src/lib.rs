//! What the page makes of whole runs: [`highwater::analysis`], for JavaScript.
//!
//! It knows no scenario: what it needs of one is in its trace. The page loads it
//! after the first run, and hands it the words that its Worker was sent.

#![cfg(target_arch = "wasm32")]

mod challenge;
mod runs;
mod side_by_side;
mod table;

pub use runs::Runs;
