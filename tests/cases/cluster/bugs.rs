//! Many bugs: workers are replaced before they drain, and every request gets a response.

use std::thread;
use std::time::{Duration, Instant};

use load::cluster::{Cluster, send_signal};
use load::{Client, Load};
use nix::sys::signal::Signal;

use crate::program;
use crate::support::{
    TIMEOUT, assert_nothing_failed, request, start, start_mixed_load, start_with, transcript,
    wait_for_event, wait_for_workers, wait_until,
};

#[test]
fn ten_bugs_per_second_fail_no_other_requests() {
    const BUGS: u32 = 40;
    let cluster = start_with(program::command(), 2, &["--faults"]);
    let running = Load::on(cluster.addr())
        .clients(Client::NewConnection, 4)
        .timeout(Duration::from_secs(30))
        .start();
    let begin = Instant::now();
    for bug in 1..=BUGS {
        let response = request(cluster.addr(), "POST", "/faults/bug");
        assert_eq!(response.status, 500, "{response:?}");
        let next = begin + bug * Duration::from_millis(100);
        thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    let seconds = usize::try_from(begin.elapsed().as_secs()).unwrap();
    let before = running.ledger().total().answered();
    assert!(
        running.wait_for_responses(before + 100, TIMEOUT),
        "{}",
        transcript(&cluster)
    );
    assert_nothing_failed(&running.stop());
    assert_workers_always_accept(&cluster, 2);
    assert_eq!(cluster.count("gave_up"), 0);
    // Not every bug starts a process, because the restart delays of a slot are at least
    // 0, 50, 100, 200, 400, 500, 500 ms.
    let started = cluster.count("started");
    assert!(
        started <= 2 + 2 * (6 + 2 * seconds),
        "{started} processes started: {}",
        transcript(&cluster)
    );
    wait_for_workers(&cluster, 2);
}

#[test]
fn terminated_workers_serve_until_replaced() {
    let cluster = start(2);
    let first = cluster.workers();
    let running = start_mixed_load(&cluster);
    assert!(running.wait_for_responses(100, TIMEOUT));
    for worker in &first {
        send_signal(*worker, Signal::SIGTERM).unwrap();
    }
    wait_for_event(&cluster, "retiring", 2);
    wait_until("both workers are replaced", || {
        let current_workers = cluster.workers();
        current_workers.len() == 2 && first.iter().all(|worker| !current_workers.contains(worker))
    });
    assert_nothing_failed(&running.stop());
    assert_workers_always_accept(&cluster, 2);
    assert_eq!(cluster.count("draining"), 2);
}

/// Fails unless at least this many workers accepted connections at all times, starting
/// when this many were first ready.
#[track_caller]
fn assert_workers_always_accept(cluster: &Cluster, workers: usize) {
    let mut accepting = Vec::new();
    let mut has_started = false;
    for event in cluster.events() {
        match &*event.event {
            "ready" => accepting.push(event.pid),
            "draining" | "exited" => accepting.retain(|pid| *pid != event.pid),
            _ => {}
        }
        has_started |= accepting.len() == workers;
        let has_enough = accepting.len() >= workers || !has_started;
        assert!(
            has_enough,
            "too few accepting workers at {:?}: {}",
            event.line,
            transcript(cluster)
        );
    }
}
