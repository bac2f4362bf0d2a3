//! The second step: the JavaScript that loads the `.wasm` file.

use std::path::Path;

use anyhow::{Context as _, Result};
use wasm_bindgen_cli_support::Bindgen;

/// Writes the module, the transformed `.wasm` and its snippets into `out`.
/// `name` is what the page imports.
pub(crate) fn generate(wasm: &Path, name: &str, out: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(wasm)
        .out_name(name)
        .web(true)?
        // Without its default path the page would have to tell `init()` where
        // the `.wasm` file is.
        .omit_default_module_path(false)
        .typescript(false)
        // Function names are most of what a visitor would download.
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(out)
        .with_context(|| format!("cannot bind {}", wasm.display()))
}

/// The files that a complete output has.
pub(crate) fn outputs(name: &str) -> [String; 2] {
    [format!("{name}.js"), format!("{name}_bg.wasm")]
}
