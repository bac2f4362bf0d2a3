//! The library as a binary. The bundle exports its functions to JavaScript.

// Without a `main`, the page's download is smaller.
#![cfg_attr(target_arch = "wasm32", no_main)]

use highwater_web as _;

#[cfg(not(target_arch = "wasm32"))]
fn main() {}
