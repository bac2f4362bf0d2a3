//! `wasm-bindgen` as wasm-pack looks for it on the PATH, at the very version
//! that the lock file names. A downloaded one could differ by a digit, and any
//! digit matters.

fn main() -> anyhow::Result<()> {
    wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(std::env::args_os())
}
