//! The built `native` program.

use std::env;
use std::path::PathBuf;
use std::process::Command;

/// A command of the program that `cargo build -p native` made.
pub(crate) fn command() -> Command {
    Command::new(program())
}

/// Its path, found from where cargo put this test: `debug/deps/test-123abc`.
fn program() -> PathBuf {
    let test = env::current_exe().unwrap();
    let folder = test.ancestors().nth(2).unwrap();
    let program = folder
        .join("native")
        .with_extension(env::consts::EXE_EXTENSION);
    assert!(
        program.is_file(),
        "{} is missing: run `cargo build -p native` first",
        program.display()
    );
    program
}
