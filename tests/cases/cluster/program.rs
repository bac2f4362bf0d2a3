//! The program under test: `highwater cluster`, or a service with its own `main` that
//! uses only the public API of `highwater-server`. Both have the same options.

use std::env;
use std::process::Command;

use crate::native;

/// If set, the service is tested.
const SERVICE_VARIABLE: &str = "HIGHWATER_TESTS_SERVICE";

/// Returns whether the service is tested.
pub(crate) fn is_service() -> bool {
    env::var_os(SERVICE_VARIABLE).is_some()
}

/// Returns a command for the program, without arguments.
pub(crate) fn command() -> Command {
    if !is_service() {
        return native::command();
    }
    let test = env::current_exe().unwrap();
    let program = test.ancestors().nth(2).unwrap().join("examples/service");
    assert!(
        program.is_file(),
        "{} is missing: run `cargo build -p highwater-server --example service` first",
        program.display()
    );
    Command::new(program)
}

/// Returns the arguments in front of the options.
pub(crate) fn subcommand() -> &'static [&'static str] {
    if is_service() { &[] } else { &["cluster"] }
}

/// Returns the path of a request that takes a fraction of a second, and the end of its
/// response.
pub(crate) fn slow_request() -> (&'static str, &'static str) {
    if is_service() {
        ("/slow", "done\n")
    } else {
        ("/work?job=fib:36", "fib:36 = 14930352\n")
    }
}

/// Returns the path of a request that takes longer than any test.
pub(crate) fn endless_request() -> &'static str {
    if is_service() {
        "/endless"
    } else {
        "/work?job=fib:60"
    }
}
