//! Bursts of connections: every worker gets its share, and no connection waits for a
//! stopped, killed or draining worker.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::net::{SocketAddr, TcpListener};
use std::ops::RangeInclusive;
use std::os::fd::AsRawFd as _;
use std::time::Duration;

use futures::future::{join_all, try_join_all};
use load::cluster::{Cluster, send_signal};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::program;
use crate::support::{
    TIMEOUT, start, start_with, transcript, wait_for_event, wait_for_workers, wait_until,
};

const BURST: usize = 64;
const ROUNDS: usize = 100;
/// The minimum number of rounds with even shares.
const EVEN_ROUNDS: usize = 95;

/// The handling of a round's connections.
#[derive(Clone, Copy, Debug)]
enum RoundConnections {
    /// They are closed before the next round.
    Close,
    /// They stay open and idle for a few rounds.
    KeepOpen,
}

/// Returns the range of a worker's fair share of a burst.
fn fair_share(workers: usize) -> RangeInclusive<usize> {
    match workers {
        2 => BURST * 40 / 100 + 1..=BURST * 60 / 100,
        4 => BURST * 15 / 100 + 1..=BURST * 35 / 100,
        _ => unreachable!("no fair share is defined for {workers} workers"),
    }
}

/// Opens a burst of connections before any of them sends a request.
async fn open_burst(addr: SocketAddr) -> Vec<TcpStream> {
    let burst = (0..BURST).map(|_| TcpStream::connect(addr));
    try_join_all(burst).await.unwrap()
}

/// Sends a request and returns the worker that responds.
async fn responding_worker(connection: &mut TcpStream) -> io::Result<u32> {
    connection
        .write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        .await?;
    let mut response = Vec::new();
    let mut read = [0; 1024];
    loop {
        let count = timeout(TIMEOUT, connection.read(&mut read)).await??;
        response.extend_from_slice(&read[..count]);
        let text = String::from_utf8_lossy(&response);
        if let Some((head, _)) = text.split_once("\r\n\r\n") {
            let worker = head
                .lines()
                .find_map(|line| line.strip_prefix("x-worker: "));
            return worker
                .and_then(|worker| worker.parse().ok())
                .ok_or_else(|| io::Error::other(head.to_owned()));
        }
        if count == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
}

/// Counts the connections per worker. Fails unless all receive a response.
async fn count_shares(connections: &mut [TcpStream]) -> BTreeMap<u32, usize> {
    let mut shares = BTreeMap::new();
    for worker in join_all(connections.iter_mut().map(responding_worker)).await {
        *shares.entry(worker.unwrap()).or_default() += 1;
    }
    shares
}

fn is_even(shares: &BTreeMap<u32, usize>, workers: usize) -> bool {
    shares.len() == workers
        && shares
            .values()
            .all(|share| fair_share(workers).contains(share))
}

fn run<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(future)
}

#[track_caller]
fn assert_even(cluster: &Cluster, addr: SocketAddr, workers: usize, handling: RoundConnections) {
    let rounds = run(async {
        let mut open_bursts = Vec::new();
        let mut rounds = Vec::new();
        for _ in 0..ROUNDS {
            let mut burst = open_burst(addr).await;
            rounds.push(count_shares(&mut burst).await);
            match handling {
                RoundConnections::Close => {}
                RoundConnections::KeepOpen => open_bursts.push(burst),
            }
            if open_bursts.len() == 5 {
                open_bursts.remove(0);
            }
        }
        rounds
    });
    let uneven: Vec<_> = rounds.iter().filter(|it| !is_even(it, workers)).collect();
    println!(
        "{workers} workers, {handling:?}: {} uneven rounds",
        uneven.len()
    );
    assert!(
        uneven.len() <= ROUNDS - EVEN_ROUNDS,
        "{handling:?}: {} of {ROUNDS} rounds are uneven: {uneven:?} {}",
        uneven.len(),
        transcript(cluster)
    );
}

#[test]
fn two_workers_share_bursts_evenly() {
    let cluster = start(2);
    assert_even(&cluster, cluster.addr(), 2, RoundConnections::Close);
    assert_even(&cluster, cluster.addr(), 2, RoundConnections::KeepOpen);
}

#[test]
fn four_workers_share_bursts_evenly() {
    let cluster = start(4);
    assert_even(&cluster, cluster.addr(), 4, RoundConnections::Close);
    assert_even(&cluster, cluster.addr(), 4, RoundConnections::KeepOpen);
}

#[test]
fn inherited_socket_is_shared_evenly() {
    let socket = TcpListener::bind("127.0.0.1:0").unwrap();
    fcntl(&socket, FcntlArg::F_SETFD(FdFlag::empty())).unwrap();
    let mut command = program::command();
    // Passes the socket as systemd does, but not as file descriptor 3.
    command
        .env("LISTEN_FDS", "1")
        .env("LISTEN_FDS_FIRST_FD", socket.as_raw_fd().to_string());
    let cluster = start_with(command, 2, &[]);
    assert_eq!(cluster.addr(), socket.local_addr().unwrap());
    assert_even(&cluster, cluster.addr(), 2, RoundConnections::Close);
}

#[test]
fn replacements_share_bursts_evenly() {
    let cluster = start(2);
    run(open_burst(cluster.addr()));
    cluster.signal(Signal::SIGHUP).unwrap();
    wait_for_event(&cluster, "reloaded", 1);
    wait_for_workers(&cluster, 2);
    assert_even(&cluster, cluster.addr(), 2, RoundConnections::KeepOpen);
}

/// Returns `true` if a process was stopped by a signal.
fn is_stopped(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.contains(") T ")
}

#[test]
fn stopped_worker_does_not_delay_connections() {
    let cluster = start(2);
    let [stopped, other] = cluster.workers()[..] else {
        panic!("expected two workers: {}", transcript(&cluster));
    };
    run(async {
        send_signal(stopped, Signal::SIGSTOP).unwrap();
        wait_until("the worker is stopped", || is_stopped(stopped));
        let mut open_bursts = Vec::new();
        for _ in 0..4 {
            let mut burst = open_burst(cluster.addr()).await;
            let shares = count_shares(&mut burst).await;
            assert_eq!(shares, BTreeMap::from([(other, BURST)]));
            open_bursts.push(burst);
        }
        send_signal(stopped, Signal::SIGCONT).unwrap();
        wait_until("the worker is running again", || !is_stopped(stopped));
        let mut even_rounds = 0;
        for _ in 0..10 {
            let mut burst = open_burst(cluster.addr()).await;
            even_rounds += usize::from(is_even(&count_shares(&mut burst).await, 2));
        }
        assert!(even_rounds >= 8, "only {even_rounds} of 10 rounds are even");
    });
    assert_eq!(cluster.count("exited"), 0, "{}", transcript(&cluster));
}

/// Returns the CPU time of a process in ticks of 10 ms.
fn cpu_ticks(pid: u32) -> u64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, fields) = stat.rsplit_once(") ").unwrap();
    fields.split(' ').nth(11).unwrap().parse().unwrap()
}

#[test]
fn blocked_worker_does_not_delay_connections() {
    let cluster = start_with(program::command(), 2, &["--faults"]);
    run(async {
        let mut blocking_client = TcpStream::connect(cluster.addr()).await.unwrap();
        let blocked = responding_worker(&mut blocking_client).await.unwrap();
        let before = cpu_ticks(blocked);
        let hang = b"POST /faults/hang HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
        blocking_client.write_all(hang).await.unwrap();
        wait_until("the worker's event loop is blocked", || {
            cpu_ticks(blocked) > before + 5
        });
        for _ in 0..4 {
            let mut burst = open_burst(cluster.addr()).await;
            let shares = count_shares(&mut burst).await;
            assert!(!shares.contains_key(&blocked), "{blocked}: {shares:?}");
        }
    });
    assert_eq!(cluster.count("exited"), 0, "{}", transcript(&cluster));
}

#[test]
fn killed_worker_loses_only_its_connections() {
    const WORKERS: usize = 4;
    let cluster = start(WORKERS);
    for killed in cluster.workers() {
        wait_for_workers(&cluster, WORKERS);
        let responses = run(async {
            let mut burst = open_burst(cluster.addr()).await;
            send_signal(killed, Signal::SIGKILL).unwrap();
            burst.extend(open_burst(cluster.addr()).await);
            join_all(burst.iter_mut().map(responding_worker)).await
        });
        let lost_count = responses
            .iter()
            .filter(|response| response.is_err())
            .count();
        assert!(
            lost_count <= *fair_share(WORKERS).end(),
            "{lost_count} connections lost: {responses:?} {}",
            transcript(&cluster)
        );
        wait_until("the killed worker has exited", || {
            !cluster.workers().contains(&killed)
        });
    }
}

#[test]
fn reloads_and_scaling_lose_no_connections() {
    let cluster = start(2);
    run(async {
        for signal in [
            Signal::SIGHUP,
            Signal::SIGTTIN,
            Signal::SIGTTOU,
            Signal::SIGHUP,
        ] {
            for round in 0..10 {
                let mut burst = open_burst(cluster.addr()).await;
                if round == 2 {
                    cluster.signal(signal).unwrap();
                }
                let shares = count_shares(&mut burst).await;
                assert_eq!(shares.values().sum::<usize>(), BURST, "{shares:?}");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
    });
    wait_for_event(&cluster, "reloaded", 2);
}
