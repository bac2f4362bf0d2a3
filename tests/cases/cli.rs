//! The `native` program, as a person runs it. Run by `cargo run -p tests -- cli`,
//! which builds the program first.

mod native;

#[test]
fn help_is_help() {
    let output = native::command().arg("--help").output().unwrap();
    assert!(output.status.success(), "{output:?}");
}
