//! `wasm-bindgen-test-runner`, which cargo runs each wasm test with: it serves
//! the test to a browser and prints what the browser says.

fn main() -> anyhow::Result<()> {
    wasm_bindgen_cli::wasm_bindgen_test_runner::run_cli_with_args(std::env::args_os())
}
