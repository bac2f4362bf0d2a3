//! Startup errors: one line says what is wrong and what would be right.

use std::fs;
use std::io;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Output, Stdio};

use nix::unistd::Uid;

use crate::native;

/// A privileged port.
const PRIVILEGED: &str = "127.0.0.1:81";
/// An unprivileged user id on Linux.
const UNPRIVILEGED_UID: u32 = 65_534;

fn cluster(mut command: Command, options: &[&str]) -> io::Result<Output> {
    let command = command.arg("cluster").args(options);
    command.stdin(Stdio::null()).output()
}

/// Fails unless the program exited with this code and one line with these words.
#[track_caller]
fn assert_refused(done: &Output, code: i32, words: &[&str]) {
    let line = String::from_utf8_lossy(&done.stderr);
    assert_eq!(done.status.code(), Some(code), "{line}");
    assert_eq!(line.lines().count(), 1, "{line}");
    for word in words {
        assert!(line.contains(word), "{word:?} is not in: {line}");
    }
    assert!(done.stdout.is_empty());
}

#[test]
fn port_in_use() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = taken.local_addr().unwrap().to_string();
    let done = cluster(native::command(), &["--addr", &addr]).unwrap();
    let code = done.status.code();
    assert_refused(&done, code.unwrap_or(0), &[&addr, "already in use"]);
    assert!(code.is_some_and(|code| code > 0));
}

#[test]
fn privileged_port() {
    let folder = tempfile::tempdir().unwrap();
    let mut command = native::command();
    if Uid::effective().is_root() {
        // Root may use privileged ports, so run an accessible copy as another user.
        let copy = folder.path().join("highwater");
        fs::copy(command.get_program(), &copy).unwrap();
        for path in [folder.path(), &copy] {
            fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        command = Command::new(copy);
        command.uid(UNPRIVILEGED_UID);
    } else if TcpListener::bind(PRIVILEGED).is_ok() {
        println!("not tested: {PRIVILEGED} is not privileged here");
        return;
    }
    let first = fs::read_to_string("/proc/sys/net/ipv4/ip_unprivileged_port_start");
    if first.is_ok_and(|first| first.trim().parse::<u16>().is_ok_and(|first| first <= 81)) {
        println!("not tested: {PRIVILEGED} is not privileged here");
        return;
    }
    let done = cluster(command, &["--addr", PRIVILEGED]).unwrap();
    let code = done.status.code();
    assert_refused(&done, code.unwrap_or(0), &[PRIVILEGED, "privileges"]);
    assert!(code.is_some_and(|code| code > 0));
}

#[test]
fn invalid_worker_count() {
    for count in ["0", "10000", "1025", "-1", "two"] {
        let done = cluster(native::command(), &["--workers", count]).unwrap();
        assert_refused(&done, 2, &["1 to 1,024", count]);
    }
}
