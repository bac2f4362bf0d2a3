//! Emitters, buses and inboxes.

mod allocations;
mod awaited;
mod cached;
#[path = "../cases/mod.rs"]
mod cases;
mod concurrent;
mod failures;
mod gated;
mod inbox;
mod inbox_model;
mod inbox_waiters;
mod lifetime;
mod logged;
mod metrics;
mod model;
mod options;
mod rules;
mod script;
mod scripts;
mod threads;
mod unhandled;
