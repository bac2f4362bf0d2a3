//! The page's Rust, exported to JavaScript.
//!
//! Two sides use it. The page reads the [schema](scenarios), parses addresses
//! ([`Address`]) and shows traces ([`View`]). A Worker runs experiments ([`run`])
//! and posts their records, so the page never blocks and survives a trap. If an
//! experiment needs processes, each is a nested Worker that runs one program.

#![cfg(target_arch = "wasm32")]

mod address;
#[cfg(feature = "scaling")]
mod compute;
mod guides;
mod paint;
mod platform;
mod playback;
#[cfg(feature = "threads")]
mod pool;
mod process;
mod processes;
mod session;
mod timer;
mod view;

/// Smaller and faster than the default allocator. The threaded build uses the default,
/// because this one cannot be shared.
#[cfg(not(target_feature = "atomics"))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

pub use address::{Address, scenarios};
pub use platform::tab;
#[cfg(feature = "threads")]
pub use pool::check_threads;
pub use process::{Inbox, run_process, run_program};
pub use processes::set_process_starter;
pub use session::{on_panic, run};
pub use view::View;
#[cfg(feature = "threads")]
pub use wasm_bindgen_rayon::init_thread_pool;
