//! Servers on Unix sockets.

use crate::{
    program::{Program, activated_example, pid, run_program},
    router,
};
use highwater_server::{Cluster, ListenAddr, Server};
use nix::sys::signal::{Signal, kill};
use std::{
    fs,
    io::{self, Write},
    os::unix::{fs::PermissionsExt, net::UnixListener, net::UnixStream},
    path::{Path, PathBuf},
    process::ExitCode,
};
use tempfile::TempDir;

/// Returns a folder, and the path of a socket in it.
fn socket() -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("shop.sock");
    (folder, path)
}

fn start(name: &str, path: &Path) -> Program {
    Program::of_this_file(
        &format!("unix_sockets::{name}"),
        ListenAddr::Unix(path.into()),
    )
}

fn get(path: &Path) -> String {
    let mut stream = UnixStream::connect(path).unwrap();
    stream
        .write_all(b"GET / HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n")
        .unwrap();
    io::read_to_string(stream).unwrap()
}

#[test]
fn server_removes_its_file() {
    let (_folder, path) = socket();
    // The file of a server that was killed.
    drop(UnixListener::bind(&path).unwrap());
    let mut server = start("server", &path);
    server.wait_for_log(&format!("serving unix:{}", path.display()));
    let mode = fs::metadata(&path).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(get(&path).ends_with("\r\n\r\nhello"));
    server.signal(Signal::SIGTERM);
    let (status, log) = server.wait();
    assert!(status.success(), "{log:?}");
    assert!(!path.exists());
}

#[test]
fn server() -> ExitCode {
    run_program(|addr| {
        let server = Server::new(addr).unix_socket_mode(0o600);
        server.run(async |_| router())
    })
}

#[test]
fn workers_leave_the_file_to_their_supervisor() {
    let (_folder, path) = socket();
    let mut cluster = start("cluster", &path);
    let worker = cluster.wait_for_worker();
    assert!(get(&path).ends_with("\r\n\r\nhello"));
    kill(pid(worker), Signal::SIGKILL).unwrap();
    cluster.wait_for_worker();
    cluster.signal(Signal::SIGHUP);
    cluster.wait_for_log("reload complete");
    assert!(get(&path).ends_with("\r\n\r\nhello"));
    cluster.signal(Signal::SIGTERM);
    let (status, log) = cluster.wait();
    assert!(status.success(), "{log:?}");
    assert!(!path.exists());
}

#[test]
fn cluster() -> ExitCode {
    run_program(|addr| Cluster::new(addr).workers(1).run(async |_| router()))
}

#[test]
fn failed_start_removes_the_file() {
    let (_folder, path) = socket();
    let (status, log) = start("server_that_fails_to_prepare", &path).wait();
    assert!(!status.success());
    assert_eq!(log, ["error: cannot start: no schema"]);
    assert!(!path.exists());
}

#[test]
fn server_that_fails_to_prepare() -> ExitCode {
    run_program(|addr| {
        let server = Server::new(addr);
        let server = server.prepare(async |_| Err(io::Error::other("no schema")));
        server.run(async |_| router())
    })
}

#[test]
fn unusable_paths_are_one_line() {
    let (_folder, path) = socket();
    let _listener = UnixListener::bind(&path).unwrap();
    let missing = path.join("missing/shop.sock");
    for (path, problem) in [
        (&path, "is already in use: stop the other server"),
        (&missing, "Not a directory"),
    ] {
        for program in ["server", "cluster"] {
            let (status, log) = start(program, path).wait();
            assert!(!status.success());
            assert_eq!(log.len(), 1, "{log:?}");
            assert!(log[0].contains(problem), "{log:?}");
            assert!(log[0].contains(path.to_str().unwrap()), "{log:?}");
        }
    }
    UnixStream::connect(path).unwrap();
}

#[test]
fn service_manager_can_pass_a_unix_socket() {
    let (_folder, path) = socket();
    let listener = UnixListener::bind(&path).unwrap();
    let addr = ListenAddr::Unix(path.clone());
    let mut command = activated_example("hello", listener.into());
    let mut server = Program::start(&mut command, addr);
    server.wait_for_log(&format!("serving unix:{}", path.display()));
    assert!(get(&path).ends_with("\r\n\r\nhello"));
    server.signal(Signal::SIGTERM);
    let (status, log) = server.wait();
    assert!(status.success(), "{log:?}");
    // The file belongs to the service manager.
    assert!(path.exists());
}
