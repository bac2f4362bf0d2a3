//! Starting a cluster, and asking it.

use std::io::{self, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use load::cluster::{Cluster, ClusterEvent, is_running};
use load::{Client, Ledger, Load, RunningLoad};

use crate::native;

/// How long a case waits before it fails: long enough for any machine.
pub(crate) const TIMEOUT: Duration = Duration::from_mins(1);
/// How often it looks.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// Starts a cluster with so many workers, which are ready when this returns.
pub(crate) fn start(workers: usize) -> Cluster {
    start_with(native::command(), workers, &[])
}

/// The same by another command, and with more options.
pub(crate) fn start_with(mut command: Command, workers: usize, options: &[&str]) -> Cluster {
    command
        .args(["cluster", "--json", "--workers", &workers.to_string()])
        .args(options);
    Cluster::start(&mut command, workers).unwrap()
}

/// Clients of every kind.
pub(crate) fn start_mixed_load(cluster: &Cluster) -> RunningLoad {
    Load::on(cluster.addr())
        .clients(Client::KeepAlive, 4)
        .clients(Client::NewConnection, 2)
        .clients(Client::ThinkTime(Duration::from_millis(20)), 4)
        .clients(Client::ThinkTime(Duration::from_millis(500)), 4)
        .timeout(Duration::from_secs(10))
        .start()
}

/// Fails unless every request was answered, and with success.
#[track_caller]
pub(crate) fn assert_nothing_failed(ledger: &Ledger) {
    assert!(ledger.adds_up(), "{ledger}");
    let total = ledger.total();
    assert_eq!(total.failures() + total.unsuccessful(), 0, "{ledger}");
    for (client, tally) in ledger.by_client() {
        assert!(tally.answered() > 0, "{client} did nothing: {ledger}");
    }
}

/// Waits for something to happen.
#[track_caller]
pub(crate) fn wait_until(what: &str, has_happened: impl FnMut() -> bool) {
    assert!(happens(TIMEOUT, has_happened), "{what}: not in {TIMEOUT:?}");
}

/// Waits for it so long; whether it has happened.
pub(crate) fn happens(patience: Duration, mut has_happened: impl FnMut() -> bool) -> bool {
    let since = Instant::now();
    loop {
        if has_happened() {
            return true;
        }
        if since.elapsed() > patience {
            return false;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

/// Waits until a cluster has said something so often.
#[track_caller]
pub(crate) fn wait_for(cluster: &Cluster, event: &str, count: usize) {
    let is_said = cluster.wait_for(TIMEOUT, |said| {
        let all = said.iter().filter(|said| said.event == event).count();
        (all >= count).then_some(())
    });
    assert!(
        is_said.is_some(),
        "{event}, {count} times: not in {TIMEOUT:?}: {}",
        transcript(cluster)
    );
}

/// Waits until so many workers are ready, and says which.
#[track_caller]
pub(crate) fn wait_for_workers(cluster: &Cluster, count: usize) -> Vec<u32> {
    wait_until(&format!("{count} workers"), || {
        cluster.workers().len() == count
    });
    cluster.workers()
}

/// Every process that was ever a worker.
pub(crate) fn all_workers(cluster: &Cluster) -> Vec<u32> {
    let ready = |said: &ClusterEvent| (said.event == "ready").then_some(said.pid).flatten();
    cluster.events().iter().filter_map(ready).collect()
}

/// Whether none of them runs any more, soon.
pub(crate) fn are_gone(workers: &[u32], within: Duration) -> bool {
    happens(within, || !workers.iter().any(|worker| is_running(*worker)))
}

/// What a cluster has said and logged, for the message of a failure.
pub(crate) fn transcript(cluster: &Cluster) -> String {
    let lines: Vec<String> = cluster
        .events()
        .iter()
        .map(|said| said.line.to_string())
        .collect();
    format!("\n{}\n{}", lines.join("\n"), cluster.log().join("\n"))
}

/// Fails unless a line of the log has all of these words.
#[track_caller]
pub(crate) fn assert_logged(cluster: &Cluster, words: &[&str]) {
    let is_logged = happens(Duration::from_secs(5), || {
        let has_all = |line: &String| words.iter().all(|word| line.contains(word));
        cluster.log().iter().any(has_all)
    });
    assert!(
        is_logged,
        "{words:?} are in no line: {}",
        transcript(cluster)
    );
}

/// An answer, as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) text: String,
}

/// Asks once, on a connection of its own.
pub(crate) fn request(addr: SocketAddr, method: &str, path: &str) -> Answer {
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
    Answer {
        status: status.unwrap_or_else(|| panic!("{text:?}")),
        text,
    }
}

/// A connection, on which nothing takes for ever.
pub(crate) fn connect(addr: SocketAddr) -> TcpStream {
    let connection = TcpStream::connect(addr).unwrap();
    connection.set_read_timeout(Some(TIMEOUT)).unwrap();
    connection.set_write_timeout(Some(TIMEOUT)).unwrap();
    connection
}

/// Waits until the other side closes a connection, by whatever it sends before.
#[track_caller]
pub(crate) fn assert_is_closed(connection: &mut TcpStream) {
    let mut read = [0; 1024];
    loop {
        match connection.read(&mut read) {
            Ok(0) => return,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => return,
            Err(error) => panic!("it stays open: {error}"),
        }
    }
}
