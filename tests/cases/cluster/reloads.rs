//! Reloads and scaling without failed requests.

use std::time::Duration;

use load::cluster::is_running;
use load::{Client, Load};
use nix::sys::signal::Signal;

use crate::program::is_service;
use crate::support::{
    all_workers, assert_logged, assert_nothing_failed, have_exited, start, start_mixed_load,
    wait_for_event, wait_for_workers,
};

#[test]
fn reloads_fail_no_requests() {
    const RELOADS: usize = 4;
    let cluster = start(2);
    let first = cluster.workers();
    let running = start_mixed_load(&cluster);
    assert!(running.wait_for_responses(100, Duration::from_secs(30)));
    for reload in 1..=RELOADS {
        cluster.signal(Signal::SIGHUP).unwrap();
        wait_for_event(&cluster, "reloaded", reload);
    }
    let ledger = running.stop();
    assert_nothing_failed(&ledger);
    // Every generation has served requests, and only the last one is still running.
    let all = all_workers(&cluster);
    assert_eq!(all.len(), 2 * (RELOADS + 1));
    let total = ledger.total();
    for worker in &all[..all.len() - 2] {
        assert!(total.workers.contains_key(worker), "{worker}: {ledger}");
    }
    let current_workers = wait_for_workers(&cluster, 2);
    assert!(first.iter().all(|worker| !current_workers.contains(worker)));
    assert!(have_exited(&first, Duration::from_secs(5)));
    assert!(current_workers.iter().all(|worker| is_running(*worker)));
}

/// The service is built with HTTP/2, `highwater` is not.
#[test]
fn reloads_fail_no_requests_of_http2() {
    const RELOADS: usize = 4;
    if !is_service() {
        return;
    }
    let cluster = start(2);
    let running = Load::on(cluster.addr())
        .clients(Client::Http2, 2)
        .clients(Client::Http2ThinkTime(Duration::from_millis(20)), 4)
        .clients(Client::Http2ThinkTime(Duration::from_millis(500)), 4)
        // Longer than a draining worker serves idle connections of HTTP/1.1.
        .clients(Client::Http2ThinkTime(Duration::from_millis(1_500)), 4)
        .timeout(Duration::from_secs(10))
        .start();
    assert!(running.wait_for_responses(100, Duration::from_secs(30)));
    for reload in 1..=RELOADS {
        cluster.signal(Signal::SIGHUP).unwrap();
        wait_for_event(&cluster, "reloaded", reload);
    }
    let ledger = running.stop();
    assert_nothing_failed(&ledger);
    assert_eq!(ledger.total().workers.len(), 2 * (RELOADS + 1), "{ledger}");
}

#[test]
fn reloads_during_a_reload_run_once_after_it() {
    let cluster = start(2);
    let running = start_mixed_load(&cluster);
    cluster.signal(Signal::SIGHUP).unwrap();
    wait_for_event(&cluster, "reloading", 1);
    // Pending signals of the same kind are merged.
    for _ in 0..3 {
        cluster.signal(Signal::SIGHUP).unwrap();
    }
    wait_for_event(&cluster, "reloaded", 2);
    // A separate third reload would make this the fourth.
    let workers = wait_for_workers(&cluster, 2);
    cluster.signal(Signal::SIGHUP).unwrap();
    wait_for_event(&cluster, "reloaded", 3);
    assert_nothing_failed(&running.stop());
    assert_eq!(cluster.count("reloaded"), 3);
    assert_eq!(all_workers(&cluster).len(), 2 * 4);
    assert!(have_exited(&workers, Duration::from_secs(5)));
}

#[test]
fn scaling_never_removes_the_last_worker() {
    let cluster = start(2);
    let running = start_mixed_load(&cluster);
    cluster.signal(Signal::SIGTTIN).unwrap();
    wait_for_workers(&cluster, 3);
    cluster.signal(Signal::SIGTTOU).unwrap();
    wait_for_workers(&cluster, 2);
    cluster.signal(Signal::SIGTTOU).unwrap();
    let last = wait_for_workers(&cluster, 1);
    cluster.signal(Signal::SIGTTOU).unwrap();
    assert_logged(&cluster, &["it must be 1 to"]);
    cluster.signal(Signal::SIGTTIN).unwrap();
    let workers = wait_for_workers(&cluster, 2);
    assert!(
        workers.contains(&last[0]),
        "{workers:?} does not contain {last:?}"
    );
    assert_nothing_failed(&running.stop());
}
