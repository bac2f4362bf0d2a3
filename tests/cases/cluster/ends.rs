//! The end of a cluster: asked for, asked for twice, and in a crash loop.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use load::Failure;
use load::cluster::{in_words, send};
use nix::sys::signal::Signal;

use crate::native;
use crate::support::{
    PATIENCE, are_gone, assert_logged, assert_nothing_failed, connect, every_kind, start,
    start_with, told, wait_for, wait_for_workers, wait_until,
};

#[test]
fn asked_to_end_it_answers_what_it_has_and_leaves_nothing() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut cluster = start(2);
        let workers = cluster.workers();
        let running = every_kind(&cluster);
        assert!(running.wait_for_answers(100, PATIENCE));
        cluster.signal(signal).unwrap();
        let status = cluster.wait(PATIENCE).unwrap().expect("it ends");
        assert_eq!(in_words(status), "code 0", "{signal}: {}", told(&cluster));
        assert!(are_gone(&workers, Duration::from_secs(1)));
        let ledger = running.stop();
        assert!(ledger.adds_up(), "{ledger}");
        // Who comes later is refused, or was still in line. Nobody waits, and
        // nobody has half an answer.
        let total = ledger.total();
        for never in [Failure::Cut, Failure::TimedOut, Failure::Malformed] {
            assert_eq!(total.count(never), 0, "{signal}: {ledger}");
        }
        assert_eq!(total.unsuccessful(), 0, "{ledger}");
    }
}

#[test]
fn what_is_under_way_when_it_is_asked_to_end_is_finished() {
    let mut cluster = start(2);
    let mut connection = connect(cluster.addr());
    let ask = |connection: &mut TcpStream, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: it\r\n\r\n");
        connection.write_all(head.as_bytes()).unwrap();
    };
    ask(&mut connection, "/");
    // Now it is in line no more: some worker has it, and with it what comes next.
    connection.read_exact(&mut [0; 12]).unwrap();
    ask(&mut connection, "/work?job=fib:36");
    cluster.signal(Signal::SIGTERM).unwrap();
    let mut answers = String::new();
    connection.read_to_string(&mut answers).unwrap();
    assert!(answers.ends_with("fib:36 = 14930352\n"), "{answers}");
    assert!(answers.to_lowercase().contains("\r\nconnection: close\r\n"));
    let status = cluster.wait(PATIENCE).unwrap().expect("it ends");
    assert_eq!(in_words(status), "code 0", "{}", told(&cluster));
}

#[test]
fn asked_twice_it_ends_at_once() {
    let mut cluster = start(2);
    let workers = cluster.workers();
    // Somebody it would wait for.
    let mut slow = connect(cluster.addr());
    let head = "POST /healthz HTTP/1.1\r\nHost: it\r\nContent-Length: 9\r\n\r\n1";
    slow.write_all(head.as_bytes()).unwrap();
    cluster.signal(Signal::SIGTERM).unwrap();
    wait_for(&cluster, "stopping", 1);
    cluster.signal(Signal::SIGTERM).unwrap();
    let status = cluster.wait(Duration::from_secs(3)).unwrap();
    let status = status.unwrap_or_else(|| panic!("it takes its time: {}", told(&cluster)));
    // If it had nobody to wait for, it was over before the second one.
    assert!(["code 143", "code 0"].contains(&&*in_words(status)));
    assert!(are_gone(&workers, Duration::from_secs(1)));
}

/// Puts another program at this place, as an installation does.
fn install(program: &Path, content: &[u8]) {
    let new = program.with_extension("new");
    fs::write(&new, content).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(&new, program).unwrap();
}

#[test]
fn a_new_program_that_crashes_aborts_the_reload_and_is_given_up_as_a_replacement() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("native");
    install(
        &program,
        &fs::read(native::command().get_program()).unwrap(),
    );
    let mut cluster = start_with(Command::new(&program), 2, &[]);
    let first = cluster.workers();
    let running = every_kind(&cluster);
    assert!(running.wait_for_answers(100, PATIENCE));

    install(&program, b"#!/bin/sh\nexit 3\n");
    cluster.signal(Signal::SIGHUP).unwrap();
    wait_for(&cluster, "reload_aborted", 1);
    assert_eq!(wait_for_workers(&cluster, 2), first, "the old ones serve");
    let before = running.ledger().total().answered();
    assert!(running.wait_for_answers(before + 100, PATIENCE));
    assert_nothing_failed(&running.stop());
    assert_logged(&cluster, &["reload"]);

    // There is nothing else to replace it with.
    send(first[0], Signal::SIGKILL).unwrap();
    let status = cluster.wait(PATIENCE).unwrap();
    let status = status.unwrap_or_else(|| panic!("it goes on: {}", told(&cluster)));
    assert_eq!(in_words(status), "code 1", "{}", told(&cluster));
    assert!(are_gone(&first, Duration::from_secs(1)));
    // Why, how often and in what time.
    assert_logged(&cluster, &["gives up: more than 5", "10 s"]);
    assert_logged(&cluster, &["error:", "exit code 3"]);
}

#[test]
fn a_worker_that_ends_at_once_again_and_again_ends_all_of_it_with_a_word() {
    let mut cluster = start_with(native::command(), 1, &["--faults"]);
    wait_until("it gives up", || {
        // It is not answered if that is over meanwhile.
        if let Ok(mut connection) = TcpStream::connect(cluster.addr()) {
            let head = "POST /faults/exit HTTP/1.1\r\nHost: it\r\nContent-Length: 0\r\n\r\n";
            let _ = connection.write_all(head.as_bytes());
            let _ = connection.set_read_timeout(Some(Duration::from_secs(1)));
            let _ = connection.read(&mut [0; 64]);
        }
        matches!(cluster.wait(Duration::ZERO), Ok(Some(_)))
    });
    assert_logged(&cluster, &["gives up: more than 5", "10 s"]);
    assert_logged(&cluster, &["error:", "exit code 1"]);
    assert_eq!(cluster.count("gave_up"), 1, "{}", told(&cluster));
}
