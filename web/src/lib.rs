//! The page's Rust: what JavaScript may call, and nothing else.
//!
//! Two kinds of JavaScript use it. The page itself asks for the
//! [schema](scenarios), reads addresses ([`Address`]) and shows a trace
//! ([`View`]). A Worker runs experiments ([`run`]), so that the page never
//! blocks and outlives a trap, and posts what they record. Where an experiment
//! needs processes, each is a Worker of that Worker, which runs one program.

#![cfg(target_arch = "wasm32")]

mod address;
#[cfg(feature = "compute")]
mod compute;
mod guides;
mod paint;
mod platform;
mod playback;
#[cfg(feature = "threads")]
mod pool;
#[cfg(feature = "processes")]
mod process;
#[cfg(feature = "processes")]
mod processes;
mod session;
mod view;

/// Smaller and quicker than the standard library's. Threads share that one.
#[cfg(not(target_feature = "atomics"))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

pub use address::{Address, scenarios};
#[cfg(any(feature = "processes", feature = "compute"))]
pub use platform::tab;
#[cfg(feature = "threads")]
pub use pool::check_threads;
#[cfg(feature = "processes")]
pub use process::{Inbox, run_process, run_program};
#[cfg(feature = "processes")]
pub use processes::set_process_starter;
pub use session::{on_panic, run};
pub use view::View;
#[cfg(feature = "threads")]
pub use wasm_bindgen_rayon::init_thread_pool;
