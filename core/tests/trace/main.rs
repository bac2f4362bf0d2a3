//! Traces: how they are made, and what reads them.

#[path = "../common/mod.rs"]
mod common;
mod readers;
mod recording;
