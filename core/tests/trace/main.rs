//! Traces: recording and reading.

#[path = "../common/mod.rs"]
mod common;
mod readers;
mod recording;
