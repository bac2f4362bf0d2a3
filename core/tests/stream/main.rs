//! Channels, and the pipelines between them.

mod channel;
mod cleanup;
#[path = "../common/mod.rs"]
mod common;
mod ends;
mod kept;
mod model;
mod pipeline;
mod plain_queue;
mod run;
mod support;
mod threads;
