//! The end of a cluster: asked for, asked for twice, and in a crash loop.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use load::Failure;
use load::cluster::describe_exit;
use nix::sys::signal::Signal;

use crate::native;
use crate::support::{
    PATIENCE, are_gone, ask, connect, every_kind, start, start_with, told, wait_for,
    wait_for_workers,
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
        assert_eq!(
            describe_exit(status),
            "code 0",
            "{signal}: {}",
            told(&cluster)
        );
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
    assert_eq!(describe_exit(status), "code 0", "{}", told(&cluster));
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
    assert!(["code 143", "code 0"].contains(&&*describe_exit(status)));
    assert!(are_gone(&workers, Duration::from_secs(1)));
}

#[test]
fn workers_that_exit_again_and_again_are_replaced() {
    let cluster = start_with(native::command(), 1, &["--faults"]);
    for exits in 1..=12 {
        let mut connection = connect(cluster.addr());
        let head = "POST /faults/exit HTTP/1.1\r\nHost: it\r\nContent-Length: 0\r\n\r\n";
        connection.write_all(head.as_bytes()).unwrap();
        wait_for(&cluster, "exited", exits);
    }
    wait_for_workers(&cluster, 1);
    assert_eq!(ask(cluster.addr(), "GET", "/").status, 200);
    assert_eq!(cluster.count("gave_up"), 0, "{}", told(&cluster));
}
