//! Emitters, buses and inboxes.

mod allocations;
mod cached;
#[path = "../cases/mod.rs"]
mod cases;
mod emit_concurrent;
mod emit_serial;
mod failures;
mod gated;
mod inbox;
mod inbox_model;
mod inbox_waiters;
mod lifetime;
mod logged;
mod metrics;
mod options;
mod rules;
mod script;
mod threads;
mod unhandled;
