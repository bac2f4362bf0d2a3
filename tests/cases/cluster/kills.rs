//! Workers that are killed, or that hang: they are replaced, and what they had
//! under way is all that is lost.

use std::thread;
use std::time::{Duration, Instant};

use load::cluster::{Cluster, send};
use load::{Client, Failed, Failure, Ledger, Load};
use nix::sys::signal::Signal;

use crate::native;
use crate::support::{
    PATIENCE, all_workers, are_gone, ask, assert_logged, start, start_with, told, wait_for_workers,
    wait_until,
};

/// A supervisor takes workers for a crash loop that end sooner.
const LASTS: Duration = Duration::from_secs(1);

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
    fn may_have_cost(&self, failed: &Failed) -> bool {
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
        let has_lasted = |pid: &u32| {
            let mut said = cluster.said().into_iter();
            said.any(|said| {
                said.event == "ready" && said.pid == Some(*pid) && said.at.elapsed() > LASTS
            })
        };
        let old: Vec<u32> = living.into_iter().filter(has_lasted).collect();
        *random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let index = usize::try_from(*random >> 16).unwrap_or(0);
        worker = old.get(index % old.len().max(1)).copied();
        worker.is_some()
    });
    let worker = worker.expect("it was just found");
    let from = Instant::now();
    send(worker, Signal::SIGKILL).unwrap();
    let gone = cluster.wait_for(PATIENCE, |said| {
        let mut said = said.iter();
        let exited = said.find(|said| said.event == "exited" && said.pid == Some(worker))?;
        Some(exited.at)
    });
    let to = gone.unwrap_or_else(|| panic!("{worker} is not missed: {}", told(cluster)));
    Kill { worker, from, to }
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
        let is_explained = kills.iter().any(|kill| kill.may_have_cost(failed));
        assert!(is_explained, "{failed:?}: {ledger}");
    }
    // Each client has one connection, so one request under way.
    for kill in kills {
        let cost = ledger.failed().filter(|failed| kill.may_have_cost(failed));
        let cost = cost.count();
        assert!(cost <= clients, "{kill:?} cost {cost}: {ledger}");
    }
}

#[test]
fn two_hundred_killed_workers_cost_what_they_had_under_way_and_a_killed_supervisor_leaves_nothing()
{
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
    send(supervisor, Signal::SIGKILL).unwrap();
    assert!(are_gone(&workers, Duration::from_secs(1)), "{workers:?}");
    assert!(cluster.wait(PATIENCE).unwrap().is_some());
}

#[test]
fn a_stopped_worker_is_replaced_and_the_others_serve_on() {
    let cluster = start(2);
    let [stopped, other] = cluster.workers()[..] else {
        panic!("there are not two: {}", told(&cluster));
    };
    let running = Load::on(cluster.addr())
        .clients(Client::KeepAlive, 4)
        .clients(Client::NewConnection, 2)
        .timeout(Duration::from_secs(30))
        .start();
    assert!(running.wait_for_answers(100, PATIENCE));
    let from = Instant::now();
    send(stopped, Signal::SIGSTOP).unwrap();
    // What it holds waits for it; what is new goes to the other one, but for what
    // it was handed before.
    wait_until("it is replaced", || !cluster.workers().contains(&stopped));
    let to = Instant::now();
    let workers = wait_for_workers(&cluster, 2);
    assert!(workers.contains(&other), "{other} has served on");
    let before = running.ledger().total().answered();
    assert!(running.wait_for_answers(before + 100, PATIENCE));
    let worker = stopped;
    assert_explained(&running.stop(), &[Kill { worker, from, to }], 6);
    assert!(are_gone(&[stopped], Duration::from_secs(5)));
    assert_logged(&cluster, &[&stopped.to_string(), "sign of life"]);
}

#[test]
fn a_bug_is_answered_and_its_worker_replaced_and_nobody_else_knows() {
    let cluster = start_with(native::command(), 2, &["--faults"]);
    let first = cluster.workers();
    let running = Load::on(cluster.addr())
        .clients(Client::KeepAlive, 4)
        .clients(Client::NewConnection, 2)
        .start();
    assert!(running.wait_for_answers(100, PATIENCE));
    thread::sleep(LASTS);
    let answer = ask(cluster.addr(), "POST", "/faults/bug");
    assert_eq!(answer.status, 500, "{answer:?}");
    assert!(answer.text.contains("internal_error"), "{answer:?}");
    wait_until("it is replaced", || all_workers(&cluster).len() == 3);
    let present = wait_for_workers(&cluster, 2);
    let stayed = first.iter().filter(|worker| present.contains(worker));
    assert_eq!(stayed.count(), 1, "{first:?} {present:?}");
    assert_explained(&running.stop(), &[], 0);
}
