//! Processes a visitor's own file in the tab, with pipelines of [`highwater::stream`].
//!
//! ```text
//! file → read ahead → chunks → lines → SHA-256 → gzip ┄ gzipped → output
//! ```
//!
//! The file and the output are browser streams, and gzip is the browser's
//! `CompressionStream` between two pipelines. Backpressure applies from end to end: the
//! file is read only as fast as the output accepts the compressed data.
//!
//! It runs in a Worker, in constant memory for files of any size. The page loads it
//! when a file is chosen.

#![cfg(target_arch = "wasm32")]

mod clock;
mod failure;
mod gzip;
mod job;
mod source;
mod stages;
mod status;

pub use failure::Failure;
pub use job::Job;
