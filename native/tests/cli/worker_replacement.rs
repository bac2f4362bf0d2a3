//! Workers that hit a bug, are killed or are reloaded: the service stays available, and no
//! process is left behind.
#![cfg(unix)]

use crate::{
    server::{JSON, Response, Server},
    support::{signal, wait_until},
};
use std::{
    io::{Read, Write},
    net::TcpStream,
};

/// A run that streams for two seconds.
const RUN: &str = r#"{"scenario": "decoupling", "params": {"users": 100, "interval": 20}}"#;

fn trigger_bug(server: &Server) -> Response {
    server.request("POST", "/api/faults/bug", &[JSON], "{}")
}

/// Waits until a process other than `old` handles requests, and returns its pid.
fn wait_for_new_worker(server: &Server, old: u32) -> u32 {
    let mut serving = old;
    wait_until("another serving process", || {
        // A draining process reports that it is not ready.
        serving = server.try_serving_process().unwrap_or(old);
        serving != old
    });
    serving
}

#[test]
fn bug_returns_500_and_replaces_only_its_worker() {
    let server = Server::start_with(&["--faults"]);
    let old = server.serving_process();
    let mut run = server.send("POST", "/api/runs", &[JSON], RUN);
    // The run is in progress once its response has started.
    let mut start = [0; 12];
    run.read_exact(&mut start).unwrap();

    let response = trigger_bug(&server);
    assert_eq!(response.status, 500, "{response:?}");
    let problem = response.json();
    assert_eq!(problem["code"], "internal_error");
    assert_eq!(problem["type"], "/problems/internal_error");
    assert!(!response.body.contains("deliberate"), "{response:?}");
    let id = problem["id"].as_str().unwrap();
    assert_eq!(response.header("x-request-id"), Some(id));

    let new = wait_for_new_worker(&server, old);
    let mut rest = String::new();
    run.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("event: end"), "the run is incomplete: {rest}");
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
fn replaced_worker_closes_its_connections() {
    let server = Server::start_with(&["--faults"]);
    let mut connection = TcpStream::connect(&server.addr).unwrap();
    write!(
        connection,
        "POST /api/faults/bug HTTP/1.1\r\nHost: localhost\r\n\r\n"
    )
    .unwrap();
    let mut response = String::new();
    // The read completes because the draining worker closes the connection.
    connection.read_to_string(&mut response).unwrap();
    assert_eq!(Response::read(&response).status, 500);
}

#[test]
fn killed_worker_is_replaced() {
    let server = Server::start();
    let old = server.serving_process();
    signal("-KILL", old);
    // The connection waits in the accept queue until the replacement is ready.
    let new = server.serving_process();
    assert_ne!(new, old);
    server.wait_for_log(&format!("worker 1 (pid {old}) crashed: signal 9 (SIGKILL)"));
}

#[test]
fn shutdown_leaves_no_processes() {
    for name in ["-TERM", "-INT"] {
        let mut server = Server::start_with(&["--faults"]);
        let old = server.serving_process();
        let mut run = server.send("POST", "/api/runs", &[JSON], RUN);
        run.read_exact(&mut [0; 12]).unwrap();
        // One worker drains, and one serves.
        assert_eq!(trigger_bug(&server).status, 500);
        wait_for_new_worker(&server, old);
        signal(name, server.process.id());
        assert_eq!(server.process.wait().unwrap().code(), Some(0), "{name}");
        server.wait_for_all_processes();
    }
}

#[test]
fn killed_supervisor_leaves_no_processes() {
    let mut server = Server::start_with(&["--faults"]);
    let old = server.serving_process();
    let mut run = server.send("POST", "/api/runs", &[JSON], RUN);
    run.read_exact(&mut [0; 12]).unwrap();
    assert_eq!(trigger_bug(&server).status, 500);
    wait_for_new_worker(&server, old);
    server.process.kill().unwrap();
    server.process.wait().unwrap();
    server.wait_for_all_processes();
    assert!(TcpStream::connect(&server.addr).is_err());
}

#[test]
fn repeated_bugs_do_not_stop_the_service() {
    let server = Server::start_with(&["--faults"]);
    for _ in 0..8 {
        assert_eq!(trigger_bug(&server).status, 500);
    }
    assert_eq!(server.request("GET", "/healthz", &[], "").status, 200);
    assert!(server.logged("giving up").is_empty());
}

#[test]
fn repeatedly_killed_workers_are_replaced() {
    let server = Server::start();
    let mut killed = Vec::new();
    while killed.len() < 12 {
        let Some(worker) = server.try_serving_process() else {
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
fn stopped_worker_is_replaced() {
    let server = Server::start();
    let old = server.serving_process();
    signal("-STOP", old);
    // The connection waits for the replacement, which starts once heartbeats are missing.
    assert_ne!(server.serving_process(), old);
    server.wait_for_log("no heartbeat");
}

#[test]
fn terminated_worker_finishes_its_requests() {
    let server = Server::start();
    let old = server.serving_process();
    let mut run = server.send("POST", "/api/runs", &[JSON], RUN);
    run.read_exact(&mut [0; 12]).unwrap();
    signal("-TERM", old);
    wait_for_new_worker(&server, old);
    let mut rest = String::new();
    run.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("event: end"), "the run is incomplete: {rest}");
    server.wait_for_log(&format!("worker 1 (pid {old}) received a signal"));
}

#[test]
fn reload_replaces_all_workers_and_drops_no_request() {
    let server = Server::start_with(&["--workers", "2"]);
    server.wait_for_log("worker 1 (pid ");
    server.wait_for_log("worker 2 (pid ");
    let mut run = server.send("POST", "/api/runs", &[JSON], RUN);
    run.read_exact(&mut [0; 12]).unwrap();
    signal("-HUP", server.process.id());
    server.wait_for_log("reload complete");
    let mut rest = String::new();
    run.read_to_string(&mut rest).unwrap();
    assert!(rest.contains("event: end"), "the run is incomplete: {rest}");
    assert_eq!(server.logged(") is ready").len(), 4);
    assert!(server.logged("crashed").is_empty());
    assert!(server.logged(" exited").is_empty());
}

#[test]
fn signals_change_the_number_of_workers() {
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
fn metrics_cover_all_workers() {
    let server = Server::start_with(&["--workers", "2"]);
    server.wait_for_log("worker 1 (pid ");
    server.wait_for_log("worker 2 (pid ");
    let requests = || {
        let response = server.request("GET", "/metrics", &[], "");
        assert_eq!(response.status, 200, "{response:?}");
        assert!(
            response.body.contains("highwater_workers 2\n"),
            "{response:?}"
        );
        let metric_prefix = "highwater_http_requests_total{status=\"2xx\"} ";
        let line = response
            .body
            .lines()
            .find_map(|line| line.strip_prefix(metric_prefix));
        line.unwrap().parse::<u64>().unwrap()
    };
    let before = requests();
    for _ in 0..20 {
        server.request("GET", "/healthz", &[], "");
    }
    assert_eq!(requests(), before + 21);
}

#[test]
fn second_signal_exits_at_once() {
    let mut server = Server::start();
    let old = server.serving_process();
    // A stopped worker never drains.
    signal("-STOP", old);
    signal("-TERM", server.process.id());
    server.wait_for_log("shutting down");
    signal("-TERM", server.process.id());
    assert_eq!(server.process.wait().unwrap().code(), Some(143));
    server.wait_for_all_processes();
}
