//! [`highwater::analysis`] for JavaScript: tables, plots and challenges of complete runs.
//!
//! It contains no scenarios, because the traces have all the data it needs. The page
//! loads it after the first run and passes it the record batches from the Worker.

#![cfg(target_arch = "wasm32")]

mod challenge;
mod labelled_run;
mod runs;
mod side_by_side;
mod table;

pub use runs::Runs;
