//! Step two: generates the JavaScript that loads the `.wasm` file.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use wasm_bindgen_cli_support::Bindgen;

/// Writes the JavaScript module `name`, the transformed `.wasm` and the snippets to
/// `out`.
pub(crate) fn generate(wasm: &Path, name: &str, out: &Path) -> Result<()> {
    Bindgen::new()
        .input_path(wasm)
        .out_name(name)
        .web(true)?
        // Keeps the default path, so the page can call `init()` without the path of the
        // `.wasm` file.
        .omit_default_module_path(false)
        .typescript(false)
        // Function names would make up most of the download.
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(out)
        .with_context(|| format!("cannot generate JavaScript for {}", wasm.display()))?;
    update_snippets(&out.join("snippets"))
}

/// Replaces a call in `wasm-bindgen-rayon` whose form is deprecated, because each thread
/// would print a warning to the console.
fn update_snippets(snippets: &Path) -> Result<()> {
    const OLD: &str = "pkg.default(data.module, data.memory)";
    const NEW: &str = "pkg.default({ module_or_path: data.module, memory: data.memory })";
    if !snippets.exists() {
        return Ok(());
    }
    for entry in fs::read_dir(snippets)? {
        let helpers = entry?.path().join("src/workerHelpers.no-bundler.js");
        if helpers.exists() {
            let script = fs::read_to_string(&helpers)?;
            fs::write(&helpers, script.replace(OLD, NEW))?;
        }
    }
    Ok(())
}

/// Returns the file names of a complete output.
pub(crate) fn outputs(name: &str) -> [String; 2] {
    [format!("{name}.js"), format!("{name}_bg.wasm")]
}
