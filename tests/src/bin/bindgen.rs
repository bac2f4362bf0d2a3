//! `wasm-bindgen`, which wasm-pack finds on the PATH, at exactly the version in the lock
//! file. Any other version is incompatible.

fn main() -> anyhow::Result<()> {
    wasm_bindgen_cli::wasm_bindgen::run_cli_with_args(std::env::args_os())
}
