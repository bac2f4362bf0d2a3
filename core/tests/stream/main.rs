//! Channels, and the pipelines between them.

mod channel;
mod cleanup;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod kept;
mod model;
mod permits;
mod pipeline;
mod pipeline_ends;
mod plain_queue;
mod run;
mod support;
mod threads;
mod waiters;
