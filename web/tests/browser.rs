//! Runs in a browser, in both builds.
#![cfg(target_arch = "wasm32")]

use highwater_web::add;
use wasm_bindgen_test::{wasm_bindgen_test, wasm_bindgen_test_configure};

wasm_bindgen_test_configure!(run_in_browser);

#[wasm_bindgen_test]
fn the_exports_work() {
    assert_eq!(add(1, 2), 3);
}
