//! A visitor's own file through a pipeline of [`highwater::stream`], in the tab.
//!
//! ```text
//! file → read ahead → chunks → lines → SHA-256 → gzip ┄ gzipped → output
//! ```
//!
//! The file and the output are the browser's streams, and gzip is its own
//! `CompressionStream`. Before it and behind it is a pipeline each: the output
//! is only asked to take what it has room for, gzip works only when it is asked
//! for more, and so nothing is read that cannot go on.
//!
//! It is meant for a Worker, and holds the same amount of memory whatever the
//! size of the file. The page loads it when a file is chosen, not before.

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
