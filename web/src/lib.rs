//! The page's Rust.
#![cfg(target_arch = "wasm32")]
#[cfg(feature = "threads")]
pub use wasm_bindgen_rayon::init_thread_pool;

/// Adds.
#[wasm_bindgen::prelude::wasm_bindgen]
pub fn add(a: u32, b: u32) -> u32 {
    a + b
}
