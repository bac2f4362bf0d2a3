//! Starts clusters, sends requests and waits for events.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use load::cluster::{Cluster, ClusterEvent, is_running};
use load::{Client, Ledger, Load, RunningLoad};

use crate::program;

/// The time limit for a condition. Only failing cases wait this long.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);
/// The interval between checks of a condition.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Starts a cluster and waits until its workers are ready.
pub(crate) fn start(workers: usize) -> Cluster {
    start_with(program::command(), workers, &[])
}

/// Starts a cluster with another command and more options.
pub(crate) fn start_with(mut command: Command, workers: usize, options: &[&str]) -> Cluster {
    command
        .args(program::subcommand())
        .args(["--json", "--workers", &workers.to_string()])
        .args(options);
    Cluster::start(&mut command, workers).unwrap()
}

/// Starts a load with all kinds of clients.
pub(crate) fn start_mixed_load(cluster: &Cluster) -> RunningLoad {
    Load::on(cluster.addr())
        .clients(Client::KeepAlive, 4)
        .clients(Client::NewConnection, 2)
        .clients(Client::ThinkTime(Duration::from_millis(20)), 4)
        .clients(Client::ThinkTime(Duration::from_millis(500)), 4)
        .timeout(Duration::from_secs(10))
        .start()
}

/// Fails unless every request succeeded and every kind of client received a response.
#[track_caller]
pub(crate) fn assert_nothing_failed(ledger: &Ledger) {
    assert!(ledger.adds_up(), "{ledger}");
    let total = ledger.total();
    assert_eq!(total.failures() + total.unsuccessful(), 0, "{ledger}");
    for (client, tally) in ledger.by_client() {
        assert!(
            tally.answered() > 0,
            "{client} received no response: {ledger}"
        );
    }
}

/// Waits for a condition, and fails after the time limit.
#[track_caller]
pub(crate) fn wait_until(condition: &str, is_met: impl FnMut() -> bool) {
    assert!(
        poll_until(TIMEOUT, is_met),
        "timed out after {TIMEOUT:?}, waiting until {condition}"
    );
}

/// Waits for a condition. Returns `false` after the time limit.
pub(crate) fn poll_until(limit: Duration, mut is_met: impl FnMut() -> bool) -> bool {
    let since = Instant::now();
    loop {
        if is_met() {
            return true;
        }
        if since.elapsed() > limit {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Waits until a cluster has reported an event at least `count` times.
#[track_caller]
pub(crate) fn wait_for_event(cluster: &Cluster, event: &str, count: usize) {
    let is_reported = cluster.wait_for(TIMEOUT, |events| {
        let all = events.iter().filter(|it| it.event == event).count();
        (all >= count).then_some(())
    });
    assert!(
        is_reported.is_some(),
        "timed out after {TIMEOUT:?}, waiting for event {event} ({count} times): {}",
        transcript(cluster)
    );
}

/// Waits until exactly `count` workers are ready, and returns them.
#[track_caller]
pub(crate) fn wait_for_workers(cluster: &Cluster, count: usize) -> Vec<u32> {
    wait_until(&format!("{count} workers are ready"), || {
        cluster.workers().len() == count
    });
    cluster.workers()
}

/// Returns the process ids of all workers that have ever been ready.
pub(crate) fn all_workers(cluster: &Cluster) -> Vec<u32> {
    let ready = |event: &ClusterEvent| (event.event == "ready").then_some(event.pid).flatten();
    cluster.events().iter().filter_map(ready).collect()
}

/// Waits until all workers have exited. Returns `false` after the time limit.
pub(crate) fn have_exited(workers: &[u32], within: Duration) -> bool {
    poll_until(within, || !workers.iter().any(|worker| is_running(*worker)))
}

/// Returns the events and the log of a cluster, for failure messages.
pub(crate) fn transcript(cluster: &Cluster) -> String {
    let lines: Vec<String> = cluster
        .events()
        .iter()
        .map(|event| event.line.to_string())
        .collect();
    format!("\n{}\n{}", lines.join("\n"), cluster.log().join("\n"))
}

/// Fails unless a line of the log contains all of these words.
#[track_caller]
pub(crate) fn assert_logged(cluster: &Cluster, words: &[&str]) {
    let is_logged = poll_until(Duration::from_secs(5), || {
        let contains_all = |line: &String| words.iter().all(|word| line.contains(word));
        cluster.log().iter().any(contains_all)
    });
    assert!(
        is_logged,
        "no log line contains all of {words:?}: {}",
        transcript(cluster)
    );
}

/// An HTTP response.
#[derive(Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// Sends one request on a new connection.
pub(crate) fn request(addr: SocketAddr, method: &str, path: &str) -> Response {
    let mut connection = connect(addr);
    let head = format!("{method} {path} HTTP/1.1\r\nHost: {addr}\r\n");
    write!(
        connection,
        "{head}Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    .unwrap();
    let mut text = String::new();
    connection.read_to_string(&mut text).unwrap();
    let status = text
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    Response {
        status: status.unwrap_or_else(|| panic!("{text:?}")),
        text,
    }
}

/// Opens a connection with timeouts.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(addr).unwrap();
    connection.set_read_timeout(Some(TIMEOUT)).unwrap();
    connection.set_write_timeout(Some(TIMEOUT)).unwrap();
    connection
}

/// Reads until the server closes the connection, and fails if it does not.
#[track_caller]
pub(crate) fn assert_closes(connection: &mut TcpStream) {
    let mut read = [0; 1024];
    loop {
        match connection.read(&mut read) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("the connection was not closed: {error}"),
        }
    }
}
