//! Shutdown by one or two signals, and a worker that keeps exiting.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use load::Failure;
use load::cluster::describe_exit;
use nix::sys::signal::Signal;

use crate::program;
use crate::support::{
    TIMEOUT, connect, have_exited, request, start, start_mixed_load, start_with, transcript,
    wait_for_event, wait_for_workers,
};

#[test]
fn shutdown_completes_requests_in_flight() {
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let mut cluster = start(2);
        let workers = cluster.workers();
        let running = start_mixed_load(&cluster);
        assert!(running.wait_for_responses(100, TIMEOUT));
        cluster.signal(signal).unwrap();
        let status = cluster
            .wait(TIMEOUT)
            .unwrap()
            .expect("the cluster did not exit");
        assert_eq!(
            describe_exit(status),
            "code 0",
            "{signal}: {}",
            transcript(&cluster)
        );
        assert!(have_exited(&workers, Duration::from_secs(1)));
        let ledger = running.stop();
        assert!(ledger.adds_up(), "{ledger}");
        // Later connections are refused or reset. None of them waits or gets a partial
        // response.
        let total = ledger.total();
        for unexpected in [Failure::Cut, Failure::TimedOut, Failure::Malformed] {
            assert_eq!(total.count(unexpected), 0, "{signal}: {ledger}");
        }
        assert_eq!(total.unsuccessful(), 0, "{ledger}");
    }
}

#[test]
fn shutdown_waits_for_a_slow_request() {
    let mut cluster = start(2);
    let mut connection = connect(cluster.addr());
    let send_request = |connection: &mut TcpStream, path: &str| {
        let head = format!("GET {path} HTTP/1.1\r\nHost: it\r\n\r\n");
        connection.write_all(head.as_bytes()).unwrap();
    };
    send_request(&mut connection, "/");
    // A worker has accepted the connection, so it also receives the next request.
    connection.read_exact(&mut [0; 12]).unwrap();
    let (path, end) = program::slow_request();
    send_request(&mut connection, path);
    cluster.signal(Signal::SIGTERM).unwrap();
    let mut responses = String::new();
    connection.read_to_string(&mut responses).unwrap();
    assert!(responses.ends_with(end), "{responses}");
    assert!(
        responses
            .to_lowercase()
            .contains("\r\nconnection: close\r\n")
    );
    let status = cluster
        .wait(TIMEOUT)
        .unwrap()
        .expect("the cluster did not exit");
    assert_eq!(describe_exit(status), "code 0", "{}", transcript(&cluster));
}

#[test]
fn second_signal_stops_immediately() {
    let mut cluster = start(2);
    let workers = cluster.workers();
    // A request that a graceful shutdown would wait for.
    let mut slow_client = connect(cluster.addr());
    let head = "POST /healthz HTTP/1.1\r\nHost: it\r\nContent-Length: 9\r\n\r\n1";
    slow_client.write_all(head.as_bytes()).unwrap();
    cluster.signal(Signal::SIGTERM).unwrap();
    wait_for_event(&cluster, "stopping", 1);
    cluster.signal(Signal::SIGTERM).unwrap();
    let status = cluster.wait(Duration::from_secs(3)).unwrap();
    let status =
        status.unwrap_or_else(|| panic!("the cluster is still running: {}", transcript(&cluster)));
    // If no worker has received the slow request, the cluster exits before the second
    // signal.
    assert!(["code 143", "code 0"].contains(&&*describe_exit(status)));
    assert!(have_exited(&workers, Duration::from_secs(1)));
}

#[test]
fn repeatedly_exiting_worker_is_replaced() {
    let cluster = start_with(program::command(), 1, &["--faults"]);
    for exit_count in 1..=12 {
        let mut connection = connect(cluster.addr());
        let head = "POST /faults/exit HTTP/1.1\r\nHost: it\r\nContent-Length: 0\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        wait_for_event(&cluster, "exited", exit_count);
    }
    wait_for_workers(&cluster, 1);
    assert_eq!(request(cluster.addr(), "GET", "/").status, 200);
    assert_eq!(cluster.count("gave_up"), 0, "{}", transcript(&cluster));
}
