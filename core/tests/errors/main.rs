//! Tests of the module `error`.

mod bad_input;
mod breaker;
#[path = "../cases/mod.rs"]
mod cases;
mod error_texts;
mod handler;
mod kinds;
mod known;
mod problem;
mod redaction;
mod resilience;
mod retry;
