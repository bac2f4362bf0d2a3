//! Misbehaving clients: all other clients are served.

use std::io::Write as _;
use std::net::TcpStream;
use std::process::Command;
use std::thread;
use std::time::Duration;

use load::cluster::Cluster;
use load::{Client, Load};

use crate::program;
use crate::support::{
    TIMEOUT, assert_closes, assert_nothing_failed, connect, request, start, start_with, transcript,
};

/// Fails unless new connections are served.
#[track_caller]
fn assert_new_connections_are_served(cluster: &Cluster) {
    let load = Load::on(cluster.addr()).timeout(Duration::from_secs(30));
    let running = load.clients(Client::NewConnection, 2).start();
    let is_served = running.wait_for_responses(50, TIMEOUT);
    let ledger = running.stop();
    assert!(is_served, "{ledger}{}", transcript(cluster));
    assert_nothing_failed(&ledger);
}

#[test]
fn unfinished_head_times_out() {
    let cluster = start(1);
    let workers = cluster.workers();
    let mut partial_requests: Vec<TcpStream> = (0..20)
        .map(|_| {
            let mut connection = connect(cluster.addr());
            connection.write_all(b"GET / HTTP/1.1\r\nHos").unwrap();
            connection
        })
        .collect();
    assert_new_connections_are_served(&cluster);
    for connection in &mut partial_requests {
        assert_closes(connection);
    }
    assert_eq!(cluster.workers(), workers);
}

#[test]
fn endless_body_times_out() {
    let cluster = start(1);
    let workers = cluster.workers();
    let mut endless = connect(cluster.addr());
    let head = "POST /healthz HTTP/1.1\r\nHost: it\r\nTransfer-Encoding: chunked\r\n\r\n";
    endless.write_all(head.as_bytes()).unwrap();
    let mut read = endless.try_clone().unwrap();
    let sender = thread::spawn(move || {
        while endless.write_all(b"1\r\nx\r\n").is_ok() {
            thread::sleep(Duration::from_millis(50));
        }
    });
    assert_new_connections_are_served(&cluster);
    assert_closes(&mut read);
    sender.join().unwrap();
    assert_eq!(cluster.workers(), workers);
}

#[test]
fn idle_connections_do_not_block_others() {
    let cluster = start(2);
    let workers = cluster.workers();
    let mut idle: Vec<TcpStream> = (0..500).map(|_| connect(cluster.addr())).collect();
    assert_new_connections_are_served(&cluster);
    // The idle connections still work.
    let last = idle.last_mut().unwrap();
    last.write_all(b"GET / HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")
        .unwrap();
    assert_closes(last);
    assert_eq!(cluster.workers(), workers);
}

#[test]
fn connections_wait_at_the_open_file_limit() {
    let mut command = Command::new("sh");
    let program = program::command().get_program().to_owned();
    // The limit also applies to the supervisor.
    command.args(["-c", "ulimit -n 64; exec \"$0\" \"$@\""]);
    command.arg(program);
    let cluster = start_with(command, 2, &[]);
    let workers = cluster.workers();
    // More connections than all processes can have open in total.
    let idle: Vec<TcpStream> = (0..200).map(|_| connect(cluster.addr())).collect();
    let running = Load::on(cluster.addr())
        .clients(Client::NewConnection, 40)
        .clients(Client::KeepAlive, 4)
        .timeout(TIMEOUT)
        .start();
    let is_served = running.wait_for_responses(500, TIMEOUT);
    let ledger = running.stop();
    assert!(is_served, "{ledger}{}", transcript(&cluster));
    assert_nothing_failed(&ledger);
    drop(idle);
    assert_eq!(cluster.workers(), workers, "{}", transcript(&cluster));
}

#[test]
fn metrics_and_readiness_are_served() {
    let cluster = start(2);
    assert_new_connections_are_served(&cluster);
    let response = request(cluster.addr(), "GET", "/metrics");
    assert_eq!(response.status, 200, "{response:?}");
    assert_eq!(request(cluster.addr(), "GET", "/readyz").status, 200);
    assert_eq!(request(cluster.addr(), "GET", "/no-such-thing").status, 404);
}
