//! Tests for channels and pipelines.

mod channel;
mod cleanup;
mod collect_sink;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod model;
mod permits;
mod pipeline;
mod pipeline_ends;
mod random_scripts;
mod run;
mod support;
mod threads;
mod waiters;
