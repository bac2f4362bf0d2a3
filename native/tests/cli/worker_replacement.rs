//! A worker has a bug, is killed, or makes room for a new one: another one serves,
//! nobody is turned away, and nothing is left behind.
#![cfg(unix)]

use crate::{
    server::{Answer, JSON, Server},
    support::{signal, wait_until},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// It takes two seconds, in which it is told.
const RUN: &str = r#"{"scenario": "decoupling", "params": {"users": 100, "interval": 20}}"#;

fn bug(server: &Server) -> Answer {
    server.request("POST", "/api/faults/bug", &[JSON], "{}")
}

/// Waits until another process serves than this one, and says which.
fn other_than(server: &Server, old: u32) -> u32 {
    let mut serving = old;
    wait_until("another process that serves", || {
        // One that is about to end says that it is not ready.
        serving = server.ask_which_serves().unwrap_or(old);
        serving != old
    });
    serving
}

#[test]
fn a_bug_is_answered_and_replaces_the_process_and_nobody_else_knows() {
    let server = Server::start_with(&["--faults"]);
    let old = server.serving_process();
    let mut told = server.send("POST", "/api/runs", &[JSON], RUN);
    // It is under way once its answer has begun.
    let mut begin = [0; 12];
    told.read_exact(&mut begin).unwrap();

    let answer = bug(&server);
    assert_eq!(answer.status, 500, "{answer:?}");
    let problem = answer.json();
    assert_eq!(problem["code"], "internal_error");
    assert_eq!(problem["type"], "/problems/internal_error");
    assert!(!answer.body.contains("deliberate"), "{answer:?}");
    let id = problem["id"].as_str().unwrap();
    assert_eq!(answer.header("x-request-id"), Some(id));

    let new = other_than(&server, old);
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("event: end"), "it was finished: {rest}");
    let status = server.request("GET", "/healthz", &[], "").status;
    assert_eq!(status, 200);
    assert_eq!(server.serving_process(), new);

    server.wait_for_log(&format!("worker 1 (pid {new}) is ready"));
    let lines = server.logged(id);
    assert_eq!(lines.len(), 1, "{lines:?}");
    assert!(lines[0].contains("panicked_at="), "{lines:?}");
    assert!(lines[0].contains("faults.rs:"), "{lines:?}");
    let drains = server.logged(&format!("(pid {old}) had a bug"));
    assert_eq!(drains.len(), 1, "{drains:?}");
}

#[test]
fn an_open_connection_is_closed_when_its_worker_was_replaced() {
    let server = Server::start_with(&["--faults"]);
    let mut open = TcpStream::connect(&server.addr).unwrap();
    write!(
        open,
        "POST /api/faults/bug HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    let mut answer = String::new();
    // To its end: the worker with the bug drains in the end.
    open.read_to_string(&mut answer).unwrap();
    assert_eq!(Answer::read(&answer).status, 500);
}

#[test]
fn a_killed_process_is_replaced() {
    let server = Server::start();
    let old = server.serving_process();
    signal("-KILL", old);
    // Nobody is refused meanwhile: who comes waits for the next process.
    let new = server.serving_process();
    assert_ne!(new, old);
    server.wait_for_log(&format!("worker 1 (pid {old}) crashed: signal 9 (SIGKILL)"));
}

#[test]
fn after_a_signal_to_end_nothing_is_left() {
    for name in ["-TERM", "-INT"] {
        let mut server = Server::start_with(&["--faults"]);
        let old = server.serving_process();
        let mut told = server.send("POST", "/api/runs", &[JSON], RUN);
        told.read_exact(&mut [0; 12]).unwrap();
        // One that drains, and one that serves.
        assert_eq!(bug(&server).status, 500);
        other_than(&server, old);
        signal(name, server.process.id());
        assert_eq!(server.process.wait().unwrap().code(), Some(0), "{name}");
        server.wait_for_the_last_process();
    }
}

#[test]
fn if_the_supervisor_is_killed_nothing_is_left() {
    let mut server = Server::start_with(&["--faults"]);
    let old = server.serving_process();
    let mut told = server.send("POST", "/api/runs", &[JSON], RUN);
    told.read_exact(&mut [0; 12]).unwrap();
    assert_eq!(bug(&server).status, 500);
    other_than(&server, old);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    server.wait_for_the_last_process();
    assert!(TcpStream::connect(&server.addr).is_err());
}

#[test]
fn bug_after_bug_slows_it_down_and_ends_nothing() {
    let server = Server::start_with(&["--faults"]);
    for _ in 0..8 {
        assert_eq!(bug(&server).status, 500);
    }
    assert_eq!(server.request("GET", "/healthz", &[], "").status, 200);
    assert!(server.logged("giving up").is_empty());
}

#[test]
fn workers_that_are_killed_again_and_again_are_replaced_at_once() {
    let server = Server::start();
    let mut killed = Vec::new();
    while killed.len() < 12 {
        let Some(worker) = server.ask_which_serves() else {
            continue;
        };
        if killed.last() != Some(&worker) {
            signal("-KILL", worker);
            killed.push(worker);
        }
    }
    assert!(!killed.contains(&server.serving_process()));
    assert!(server.logged("giving up").is_empty());
}

#[test]
fn a_worker_that_is_stopped_is_replaced() {
    let server = Server::start();
    let old = server.serving_process();
    signal("-STOP", old);
    // Whoever comes meanwhile waits for the next one, which is there within
    // seconds: the old one gives no sign of life.
    assert_ne!(server.serving_process(), old);
    server.wait_for_log("no heartbeat");
}

#[test]
fn a_signal_to_a_worker_cuts_nothing_off() {
    let server = Server::start();
    let old = server.serving_process();
    let mut told = server.send("POST", "/api/runs", &[JSON], RUN);
    told.read_exact(&mut [0; 12]).unwrap();
    signal("-TERM", old);
    other_than(&server, old);
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("event: end"), "it was finished: {rest}");
    server.wait_for_log(&format!("worker 1 (pid {old}) received a signal"));
}

#[test]
fn a_hangup_replaces_all_workers_and_cuts_nothing_off() {
    let server = Server::start_with(&["--workers", "2"]);
    server.wait_for_log("worker 1 (pid ");
    server.wait_for_log("worker 2 (pid ");
    let mut told = server.send("POST", "/api/runs", &[JSON], RUN);
    told.read_exact(&mut [0; 12]).unwrap();
    signal("-HUP", server.process.id());
    server.wait_for_log("reload complete");
    let mut rest = String::new();
    told.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("event: end"), "it was finished: {rest}");
    assert_eq!(server.logged(") is ready").len(), 4);
    assert!(server.logged("crashed").is_empty());
}

#[test]
fn there_are_as_many_workers_as_signals_ask_for() {
    let server = Server::start();
    signal("-TTIN", server.process.id());
    server.wait_for_log("scaling up to 2 workers");
    server.wait_for_log("worker 2 (pid ");
    signal("-TTOU", server.process.id());
    server.wait_for_log("scaling down to 1 worker");
    signal("-TTOU", server.process.id());
    server.wait_for_log("it must be 1 to 1,024");
}

#[test]
fn metrics_are_of_all_workers_together() {
    let server = Server::start_with(&["--workers", "2"]);
    server.wait_for_log("worker 1 (pid ");
    server.wait_for_log("worker 2 (pid ");
    let requests = || {
        let answer = server.request("GET", "/metrics", &[], "");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.body.contains("highwater_workers 2\n"), "{answer:?}");
        let what = "highwater_http_requests_total{status=\"2xx\"} ";
        let line = answer.body.lines().find_map(|line| line.strip_prefix(what));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = requests();
    for _ in 0..20 {
        server.request("GET", "/healthz", &[], "");
    }
    assert_eq!(requests(), before + 21);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let mut server = Server::start();
    let old = server.serving_process();
    // It will not end by itself.
    signal("-STOP", old);
    signal("-TERM", server.process.id());
    server.wait_for_log("shutting down");
    signal("-TERM", server.process.id());
    assert_eq!(server.process.wait().unwrap().code(), Some(143));
    server.wait_for_the_last_process();
}

#[test]
fn a_worker_without_a_supervisor_says_what_starts_it() {
    let done = crate::support::highwater(&["serve-worker", "--www", "."]);
    assert_eq!(done.code, Some(2), "{done:?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:?}");
    assert!(done.stderr.contains("use highwater serve or"), "{done:?}");
}
