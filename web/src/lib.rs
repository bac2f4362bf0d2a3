//! The page's Rust, exported to JavaScript.
//!
//! Two sides use it. The page reads the [schema](scenarios), parses addresses
//! ([`Address`]) and shows traces ([`View`]). A Worker runs experiments ([`run`])
//! and posts their records, so the page never blocks and survives a trap. If an
//! experiment needs processes, each is a nested Worker that runs one program.

#![cfg(any(target_arch = "wasm32", test))]

#[cfg(target_arch = "wasm32")]
mod address;
#[cfg(all(target_arch = "wasm32", feature = "scaling"))]
mod compute;
#[cfg(target_arch = "wasm32")]
mod guides;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "for the page"))]
mod paint;
#[cfg(target_arch = "wasm32")]
mod platform;
#[cfg_attr(not(target_arch = "wasm32"), allow(dead_code, reason = "for the page"))]
mod playback;
#[cfg(all(target_arch = "wasm32", feature = "threads"))]
mod pool;
#[cfg(target_arch = "wasm32")]
mod process;
#[cfg(target_arch = "wasm32")]
mod processes;
#[cfg(target_arch = "wasm32")]
mod session;
#[cfg(target_arch = "wasm32")]
mod timer;
#[cfg(target_arch = "wasm32")]
mod view;

/// Smaller and faster than the default allocator. The threaded build uses the default,
/// because this one cannot be shared.
#[cfg(all(target_arch = "wasm32", not(target_feature = "atomics")))]
#[global_allocator]
static ALLOCATOR: talc::wasm::WasmDynamicTalc = talc::wasm::new_wasm_dynamic_allocator();

#[cfg(target_arch = "wasm32")]
pub use address::{Address, scenarios};
#[cfg(target_arch = "wasm32")]
pub use platform::tab;
#[cfg(all(target_arch = "wasm32", feature = "threads"))]
pub use pool::check_threads;
#[cfg(target_arch = "wasm32")]
pub use process::{Inbox, run_process, run_program};
#[cfg(target_arch = "wasm32")]
pub use processes::set_process_starter;
#[cfg(target_arch = "wasm32")]
pub use session::{on_panic, run};
#[cfg(target_arch = "wasm32")]
pub use view::View;
#[cfg(all(target_arch = "wasm32", feature = "threads"))]
pub use wasm_bindgen_rayon::init_thread_pool;
