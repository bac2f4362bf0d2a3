//! Killed and hanging workers: they are replaced, and only their requests in flight are
//! lost.

use std::thread;
use std::time::{Duration, Instant};

use load::cluster::{Cluster, send_signal};
use load::{Client, Failure, Kill, Ledger, Load};
use nix::sys::signal::Signal;

use crate::program;
use crate::support::{
    TIMEOUT, all_workers, assert_logged, have_exited, request, start, start_with, transcript,
    wait_for_event, wait_for_workers, wait_until,
};

/// A worker that exits earlier counts as part of a crash loop.
const MIN_UPTIME: Duration = Duration::from_secs(1);

/// Kills a random worker that has served for a second, and waits for its exit.
fn kill_random_worker(cluster: &Cluster, random_state: &mut u32) -> Kill {
    // Picks a stable worker pseudo-randomly.
    let mut worker = None;
    wait_until("a worker has served for a second", || {
        let workers = cluster.workers();
        let is_stable = |pid: &u32| {
            let mut events = cluster.events().into_iter();
            events.any(|event| {
                event.event == "ready" && event.pid == Some(*pid) && event.at.elapsed() > MIN_UPTIME
            })
        };
        let stable: Vec<u32> = workers.into_iter().filter(is_stable).collect();
        *random_state = next_random(*random_state);
        let index = usize::try_from(*random_state >> 16).unwrap_or(0);
        worker = stable.get(index % stable.len().max(1)).copied();
        worker.is_some()
    });
    kill(cluster, worker.expect("no stable worker was found"))
}

/// Kills a worker and waits until its exit is reported.
fn kill(cluster: &Cluster, worker: u32) -> Kill {
    let killed_at = Instant::now();
    send_signal(worker, Signal::SIGKILL).unwrap();
    let exited_at = cluster.wait_for(TIMEOUT, |events| {
        let mut events = events.iter();
        let exited = events.find(|event| event.event == "exited" && event.pid == Some(worker))?;
        Some(exited.at)
    });
    let reported_at = exited_at.unwrap_or_else(|| {
        panic!(
            "the exit of worker {worker} was not reported: {}",
            transcript(cluster)
        )
    });
    Kill {
        worker,
        killed_at,
        reported_at,
    }
}

/// Returns the next pseudo-random number. Only its upper half is random enough.
fn next_random(random_state: u32) -> u32 {
    random_state
        .wrapping_mul(1_664_525)
        .wrapping_add(1_013_904_223)
}

/// Fails unless a kill explains each failure, with at most `clients` failures per kill.
fn assert_explained(ledger: &Ledger, kills: &[Kill], clients: usize) {
    assert!(ledger.adds_up(), "{ledger}");
    let total = ledger.total();
    for unexpected in [
        Failure::Refused,
        Failure::TimedOut,
        Failure::Malformed,
        Failure::NotConnected,
    ] {
        assert_eq!(total.count(unexpected), 0, "{ledger}");
    }
    assert_eq!(total.unsuccessful(), 0, "{ledger}");
    for failed in ledger.failed() {
        let is_explained = kills.iter().any(|kill| kill.explains(failed));
        assert!(is_explained, "{failed:?}: {ledger}");
    }
    // Each client has at most one request in flight.
    for kill in kills {
        let failures = ledger.failed().filter(|failed| kill.explains(failed));
        let failure_count = failures.count();
        assert!(
            failure_count <= clients,
            "{kill:?} explains {failure_count} failures: {ledger}"
        );
    }
}

#[test]
fn two_hundred_kills_lose_only_requests_in_flight() {
    const WORKERS: usize = 8;
    const KILLS: usize = 200;
    const CLIENTS: usize = 16;
    let mut cluster = start(WORKERS);
    let running = Load::on(cluster.addr())
        .clients(Client::KeepAlive, 8)
        .clients(Client::NewConnection, 4)
        .clients(Client::ThinkTime(Duration::from_millis(20)), 4)
        .timeout(Duration::from_secs(10))
        .start();
    let mut random_state = 7;
    let mut kills = Vec::new();
    for _ in 0..KILLS {
        kills.push(kill_random_worker(&cluster, &mut random_state));
    }
    let workers = wait_for_workers(&cluster, WORKERS);
    let before = running.ledger().total().answered();
    assert!(running.wait_for_responses(before + 100, Duration::from_secs(30)));
    let ledger = running.stop();
    assert_explained(&ledger, &kills, CLIENTS);
    println!("{KILLS} kills: {ledger}");
    assert_eq!(all_workers(&cluster).len(), WORKERS + KILLS);

    let supervisor = cluster.pid();
    send_signal(supervisor, Signal::SIGKILL).unwrap();
    assert!(have_exited(&workers, Duration::from_secs(1)), "{workers:?}");
    assert!(cluster.wait(TIMEOUT).unwrap().is_some());
}

#[test]
fn kill_storm_loses_only_requests_in_flight() {
    const KILLS: usize = 15;
    const CLIENTS: usize = 4;
    let cluster = start(2);
    let running = Load::on(cluster.addr())
        .clients(Client::NewConnection, 2)
        .clients(Client::ThinkTime(Duration::from_millis(20)), 2)
        .timeout(Duration::from_secs(30))
        .start();
    let mut random_state = 7;
    let mut kills = Vec::new();
    while kills.len() < KILLS {
        random_state = next_random(random_state);
        // The pause is 0.3 to 0.6 s.
        thread::sleep(Duration::from_millis(
            300 + u64::from(random_state >> 16) % 300,
        ));
        wait_until("a worker is serving", || !cluster.workers().is_empty());
        let workers = cluster.workers();
        let index = usize::try_from(random_state >> 16).unwrap() % workers.len();
        kills.push(kill(&cluster, workers[index]));
    }
    wait_for_workers(&cluster, 2);
    let before = running.ledger().total().answered();
    assert!(
        running.wait_for_responses(before + 100, TIMEOUT),
        "{}",
        transcript(&cluster)
    );
    assert_explained(&running.stop(), &kills, CLIENTS);
    assert_eq!(cluster.count("gave_up"), 0, "{}", transcript(&cluster));
}

#[test]
fn simultaneous_exits_are_replaced() {
    const WORKERS: usize = 16;
    let cluster = start(WORKERS);
    let mut exited = 0;
    for at_once in [6, WORKERS, WORKERS, WORKERS] {
        for worker in wait_for_workers(&cluster, WORKERS).iter().take(at_once) {
            send_signal(*worker, Signal::SIGKILL).unwrap();
        }
        exited += at_once;
        wait_for_event(&cluster, "exited", exited);
        assert_eq!(request(cluster.addr(), "GET", "/").status, 200);
    }
    wait_for_workers(&cluster, WORKERS);
    assert_eq!(cluster.count("gave_up"), 0, "{}", transcript(&cluster));
}

#[test]
fn stopped_worker_is_replaced() {
    let cluster = start(2);
    let [stopped, other] = cluster.workers()[..] else {
        panic!("expected two workers: {}", transcript(&cluster));
    };
    let running = Load::on(cluster.addr())
        .clients(Client::KeepAlive, 4)
        .clients(Client::NewConnection, 2)
        .timeout(Duration::from_secs(30))
        .start();
    assert!(running.wait_for_responses(100, TIMEOUT));
    let killed_at = Instant::now();
    send_signal(stopped, Signal::SIGSTOP).unwrap();
    // Requests on its connections wait. New connections go to the other worker, except
    // those that it has already accepted.
    wait_until("the stopped worker is replaced", || {
        !cluster.workers().contains(&stopped)
    });
    let reported_at = Instant::now();
    let workers = wait_for_workers(&cluster, 2);
    assert!(workers.contains(&other), "worker {other} was replaced");
    let before = running.ledger().total().answered();
    assert!(running.wait_for_responses(before + 100, TIMEOUT));
    let worker = stopped;
    assert_explained(
        &running.stop(),
        &[Kill {
            worker,
            killed_at,
            reported_at,
        }],
        6,
    );
    assert!(have_exited(&[stopped], Duration::from_secs(5)));
    assert_logged(&cluster, &[&stopped.to_string(), "no heartbeat"]);
}

#[test]
fn bug_replaces_its_worker_and_fails_no_other_request() {
    let cluster = start_with(program::command(), 2, &["--faults"]);
    let first = cluster.workers();
    let running = Load::on(cluster.addr())
        .clients(Client::KeepAlive, 4)
        .clients(Client::NewConnection, 2)
        .start();
    assert!(running.wait_for_responses(100, TIMEOUT));
    thread::sleep(MIN_UPTIME);
    let response = request(cluster.addr(), "POST", "/faults/bug");
    assert_eq!(response.status, 500, "{response:?}");
    assert!(response.text.contains("internal_error"), "{response:?}");
    wait_until("the worker is replaced", || {
        all_workers(&cluster).len() == 3
    });
    let current_workers = wait_for_workers(&cluster, 2);
    let remaining = first
        .iter()
        .filter(|worker| current_workers.contains(worker));
    assert_eq!(remaining.count(), 1, "{first:?} {current_workers:?}");
    assert_explained(&running.stop(), &[], 0);
}
