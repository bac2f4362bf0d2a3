//! Startup errors: one line says what is wrong and how to fix it.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use nix::unistd::Uid;

use crate::program;

/// A privileged port.
const PRIVILEGED_ADDR: &str = "127.0.0.1:81";
/// The id of an unprivileged user on Linux.
const UNPRIVILEGED_UID: u32 = 65_534;

fn run_cluster(mut command: Command, options: &[&str]) -> io::Result<Output> {
    let command = command.args(program::subcommand()).args(options);
    command.stdin(Stdio::null()).output()
}

/// Fails unless the program exited with this code and printed one line that contains
/// these words.
#[track_caller]
fn assert_rejected(output: &Output, code: i32, words: &[&str]) {
    let line = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is not in: {line}");
    }
    assert!(output.stdout.is_empty());
}

#[test]
fn port_in_use_is_reported() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();
    let output = run_cluster(program::command(), &["--addr", &addr]).unwrap();
    let code = output.status.code();
    assert_rejected(&output, code.unwrap_or(0), &[&addr, "already in use"]);
    assert!(code.is_some_and(|code| code > 0));
}

#[test]
fn privileged_port_is_reported() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = program::command();
    if Uid::effective().is_root() {
        // Root can bind privileged ports, so an accessible copy runs as another user.
        let copy = folder.path().join("highwater");
        fs::copy(command.get_program(), &copy).unwrap();
        for path in [folder.path(), &copy] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        command = Command::new(copy);
        command.uid(UNPRIVILEGED_UID);
    } else if TcpListener::bind(PRIVILEGED_ADDR).is_ok() {
        println!("not tested: {PRIVILEGED_ADDR} is not privileged here");
        return;
    }
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first.is_ok_and(|first| first.trim().parse::<u16>().is_ok_and(|first| first <= 81)) {
        println!("not tested: {PRIVILEGED_ADDR} is not privileged here");
        return;
    }
    let output = run_cluster(command, &["--addr", PRIVILEGED_ADDR]).unwrap();
    let code = output.status.code();
    assert_rejected(&output, code.unwrap_or(0), &[PRIVILEGED_ADDR, "privileges"]);
    assert!(code.is_some_and(|code| code > 0));
}

#[test]
fn invalid_worker_count_is_rejected() {
    for count in ["0", "10000", "1025", "-1", "two"] {
        let output = run_cluster(program::command(), &["--workers", count]).unwrap();
        assert_rejected(&output, 2, &["1 to 1,024", count]);
    }
}
