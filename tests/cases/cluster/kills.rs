//! Workers that are killed, or that hang: they are replaced, and what they had
//! under way is all that is lost.

use std::thread;
use std::time::{Duration, Instant};

use load::cluster::{Cluster, send_signal};
use load::{Client, FailedRequest, Failure, Ledger, Load};
use nix::sys::signal::Signal;

use crate::native;
use crate::support::{
    TIMEOUT, all_workers, are_gone, assert_logged, request, start, start_with, transcript,
    wait_for, wait_for_workers, wait_until,
};

/// A supervisor takes workers for a crash loop that end sooner.
const MIN_UPTIME: Duration = Duration::from_secs(1);

/// A worker that was killed: when, and when all knew.
#[derive(Debug)]
struct Kill {
    worker: u32,
    from: Instant,
    to: Instant,
}

impl Kill {
    /// Whether a request may have failed by it: one on a connection that this
    /// worker had, which is found to be closed when the client gets round to it;
    /// or one on a connection of which nobody knows whose it was, as there was no
    /// answer on it yet, if it was under way then.
    fn explains(&self, failed: &FailedRequest) -> bool {
        let is_its = match failed.worker {
            Some(worker) => worker == self.worker,
            None => failed.started <= self.to,
        };
        is_its && failed.ended >= self.from
    }
}

/// Kills the worker that has served longest, and waits until it is known to be
/// gone and to be replaced.
fn kill_one(cluster: &Cluster, random: &mut u32) -> Kill {
    // Any of those that have served long enough: numbers that look random.
    let mut worker = None;
    wait_until("a worker that has served a second", || {
        let living = cluster.workers();
        let is_stable = |pid: &u32| {
            let mut said = cluster.events().into_iter();
            said.any(|said| {
                said.event == "ready" && said.pid == Some(*pid) && said.at.elapsed() > MIN_UPTIME
            })
        };
        let old: Vec<u32> = living.into_iter().filter(is_stable).collect();
        *random = next_random(*random);
        let index = usize::try_from(*random >> 16).unwrap_or(0);
        worker = old.get(index % old.len().max(1)).copied();
        worker.is_some()
    });
    kill(cluster, worker.expect("it was just found"))
}

/// Kills a worker, and waits until it is known to be gone.
fn kill(cluster: &Cluster, worker: u32) -> Kill {
    let from = Instant::now();
    send_signal(worker, Signal::SIGKILL).unwrap();
    let gone = cluster.wait_for(TIMEOUT, |said| {
        let mut said = said.iter();
        let exited = said.find(|said| said.event == "exited" && said.pid == Some(worker))?;
        Some(exited.at)
    });
    let to = gone.unwrap_or_else(|| panic!("{worker} is not missed: {}", transcript(cluster)));
    Kill { worker, from, to }
}

/// The next of numbers that look random in their upper half.
fn next_random(random: u32) -> u32 {
    random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223)
}

/// Fails unless each failure was under way at a worker when that was killed, of so
/// many clients.
fn assert_explained(ledger: &Ledger, kills: &[Kill], clients: usize) {
    assert!(ledger.adds_up(), "{ledger}");
    let total = ledger.total();
    for never in [
        Failure::Refused,
        Failure::TimedOut,
        Failure::Malformed,
        Failure::NotConnected,
    ] {
        assert_eq!(total.count(never), 0, "{ledger}");
    }
    assert_eq!(total.unsuccessful(), 0, "{ledger}");
    for failed in ledger.failed() {
        let is_explained = kills.iter().any(|kill| kill.explains(failed));
        assert!(is_explained, "{failed:?}: {ledger}");
    }
    // Each client has one connection, so one request under way.
    for kill in kills {
        let cost = ledger.failed().filter(|failed| kill.explains(failed));
        let cost = cost.count();
        assert!(cost <= clients, "{kill:?} cost {cost}: {ledger}");
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
    let mut random = 7;
    let mut kills = Vec::new();
    for _ in 0..KILLS {
        kills.push(kill_one(&cluster, &mut random));
    }
    let workers = wait_for_workers(&cluster, WORKERS);
    let before = running.ledger().total().answered();
    assert!(running.wait_for_answers(before + 100, Duration::from_secs(30)));
    let ledger = running.stop();
    assert_explained(&ledger, &kills, CLIENTS);
    println!("{KILLS} kills: {ledger}");
    assert_eq!(all_workers(&cluster).len(), WORKERS + KILLS);

    let supervisor = cluster.pid();
    send_signal(supervisor, Signal::SIGKILL).unwrap();
    assert!(are_gone(&workers, Duration::from_secs(1)), "{workers:?}");
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
    let mut random = 7;
    let mut kills = Vec::new();
    while kills.len() < KILLS {
        random = next_random(random);
        // From 0.3 s to 0.6 s.
        thread::sleep(Duration::from_millis(300 + u64::from(random >> 16) % 300));
        wait_until("a worker that serves", || !cluster.workers().is_empty());
        let workers = cluster.workers();
        let index = usize::try_from(random >> 16).unwrap() % workers.len();
        kills.push(kill(&cluster, workers[index]));
    }
    wait_for_workers(&cluster, 2);
    let before = running.ledger().total().answered();
    assert!(
        running.wait_for_answers(before + 100, TIMEOUT),
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
        wait_for(&cluster, "exited", exited);
        assert_eq!(request(cluster.addr(), "GET", "/").status, 200);
    }
    wait_for_workers(&cluster, WORKERS);
    assert_eq!(cluster.count("gave_up"), 0, "{}", transcript(&cluster));
}

#[test]
fn stopped_worker_is_replaced() {
    let cluster = start(2);
    let [stopped, other] = cluster.workers()[..] else {
        panic!("there are not two: {}", transcript(&cluster));
    };
    let running = Load::on(cluster.addr())
        .clients(Client::KeepAlive, 4)
        .clients(Client::NewConnection, 2)
        .timeout(Duration::from_secs(30))
        .start();
    assert!(running.wait_for_answers(100, TIMEOUT));
    let from = Instant::now();
    send_signal(stopped, Signal::SIGSTOP).unwrap();
    // What it holds waits for it; what is new goes to the other one, but for what
    // it was handed before.
    wait_until("it is replaced", || !cluster.workers().contains(&stopped));
    let to = Instant::now();
    let workers = wait_for_workers(&cluster, 2);
    assert!(workers.contains(&other), "{other} has served on");
    let before = running.ledger().total().answered();
    assert!(running.wait_for_answers(before + 100, TIMEOUT));
    let worker = stopped;
    assert_explained(&running.stop(), &[Kill { worker, from, to }], 6);
    assert!(are_gone(&[stopped], Duration::from_secs(5)));
    assert_logged(&cluster, &[&stopped.to_string(), "sign of life"]);
}

#[test]
fn bug_replaces_its_worker_and_fails_nothing_else() {
    let cluster = start_with(native::command(), 2, &["--faults"]);
    let first = cluster.workers();
    let running = Load::on(cluster.addr())
        .clients(Client::KeepAlive, 4)
        .clients(Client::NewConnection, 2)
        .start();
    assert!(running.wait_for_answers(100, TIMEOUT));
    thread::sleep(MIN_UPTIME);
    let answer = request(cluster.addr(), "POST", "/faults/bug");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.text.contains("internal_error"), "{answer:?}");
    wait_until("it is replaced", || all_workers(&cluster).len() == 3);
    let present = wait_for_workers(&cluster, 2);
    let stayed = first.iter().filter(|worker| present.contains(worker));
    assert_eq!(stayed.count(), 1, "{first:?} {present:?}");
    assert_explained(&running.stop(), &[], 0);
}
