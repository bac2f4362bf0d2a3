//! Stalled readers of the log and the journal: the service keeps running, and dropped
//! lines are counted and reported.

use std::io::{BufRead as _, BufReader, PipeReader, Read as _, Write as _, pipe};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use load::cluster::{is_running, send_signal};
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::signal::Signal;

use crate::program;
use crate::support::{TIMEOUT, request, wait_until};

/// The minimum size of a pipe.
const PIPE_BYTES: i32 = 4096;

/// A cluster whose standard output and standard error are small pipes that the test reads
/// on demand.
struct StalledCluster {
    child: Child,
    addr: SocketAddr,
    stdout: BufReader<PipeReader>,
    stderr: PipeReader,
}

impl StalledCluster {
    fn start(options: &[&str]) -> Self {
        let (stdout, to_stdout) = pipe().unwrap();
        let (stderr, to_stderr) = pipe().unwrap();
        for file in [to_stdout.as_fd(), to_stderr.as_fd()] {
            fcntl(file, FcntlArg::F_SETPIPE_SZ(PIPE_BYTES)).unwrap();
        }
        let child = program::command()
            .args(program::subcommand())
            .args(["--workers", "2", "--addr", "127.0.0.1:0"])
            .args(options)
            .stdin(Stdio::null())
            .stdout(to_stdout)
            .stderr(to_stderr)
            .spawn()
            .unwrap();
        let mut stdout = BufReader::new(stdout);
        let mut line = String::new();
        stdout.read_line(&mut line).unwrap();
        let is_address = |byte: char| byte.is_ascii_digit() || byte == '.' || byte == ':';
        let mut words = line.split(|byte| !is_address(byte));
        let addr = words.find_map(|word| word.parse().ok());
        StalledCluster {
            child,
            addr: addr.unwrap_or_else(|| panic!("{line}")),
            stdout,
            stderr,
        }
    }

    fn signal(&self, signal: Signal) {
        send_signal(self.child.id(), signal).unwrap();
    }

    fn metric(&self, name: &str) -> u64 {
        let response = request(self.addr, "GET", "/metrics");
        let value = response.text.lines().find_map(|line| {
            let value = line.strip_prefix(name)?.strip_prefix(' ')?;
            value.parse().ok()
        });
        value.unwrap_or_else(|| panic!("{name}: {response:?}"))
    }

    /// Returns the worker that responds, or `None` if none does.
    fn worker(&self) -> Option<u32> {
        let mut connection = TcpStream::connect(self.addr).ok()?;
        connection.set_read_timeout(Some(TIMEOUT)).ok()?;
        let head = "GET /readyz HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n";
        connection.write_all(head.as_bytes()).ok()?;
        let mut response = String::new();
        connection.read_to_string(&mut response).ok()?;
        response.trim().rsplit(' ').next()?.parse().ok()
    }

    /// Waits until both workers have responded, and returns them.
    fn workers(&self) -> Vec<u32> {
        let mut workers = Vec::new();
        wait_until("both workers respond", || {
            workers.extend(self.worker());
            workers.sort_unstable();
            workers.dedup();
            workers.len() >= 2
        });
        workers
    }

    /// Shuts the cluster down.
    #[track_caller]
    fn shut_down(&mut self) {
        self.signal(Signal::SIGTERM);
        let mut status = None;
        wait_until("the cluster exits", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0));
    }
}

impl Drop for StalledCluster {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Reads lines in a background thread.
fn read_lines(from: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    lines
}

#[test]
fn stalled_log_does_not_block_the_service() {
    let mut cluster = StalledCluster::start(&["--log-level", "debug"]);
    let path = format!("/nothing/{}", "x".repeat(4_000));
    let mut requests = 0_u64;
    while requests < 300 || cluster.metric("highwater_log_lines_dropped_total") < 2 {
        for _ in 0..100 {
            assert_eq!(request(cluster.addr, "GET", &path).status, 404);
            requests += 1;
        }
        assert!(requests < 20_000, "no line was dropped");
    }
    let before = cluster.workers();
    for _ in 0..20 {
        assert_eq!(request(cluster.addr, "GET", "/").status, 200);
    }

    // A killed and a hanging worker are replaced.
    send_signal(before[0], Signal::SIGKILL).unwrap();
    send_signal(before[1], Signal::SIGSTOP).unwrap();
    wait_until("both workers have exited", || {
        !before.iter().any(|pid| is_running(*pid))
    });
    let after = cluster.workers();
    assert!(!after.iter().any(|pid| before.contains(pid)), "{after:?}");

    cluster.shut_down();
}

#[test]
fn dropped_log_lines_are_reported() {
    let mut cluster = StalledCluster::start(&["--log-level", "debug"]);
    let mut requests = 0_u64;
    while cluster.metric("highwater_log_lines_dropped_total") == 0 {
        for _ in 0..100 {
            assert_eq!(request(cluster.addr, "GET", "/nothing").status, 404);
            requests += 1;
        }
        assert!(requests < 20_000, "no line was dropped");
    }
    let dropped = cluster.metric("highwater_log_lines_dropped_total");
    let read = read_lines(cluster.stderr.try_clone().unwrap());
    let (mut reported, mut written) = (0, 0);
    while written + reported < requests {
        let line = read.recv_timeout(TIMEOUT).unwrap();
        if let Some((before, _)) = line.split_once(" log line") {
            let count = before.rsplit(' ').next().unwrap();
            reported += count.parse::<u64>().unwrap();
        }
        written += u64::from(line.starts_with("INFO id=") && line.contains(" status=404 "));
    }
    assert_eq!((reported, written + reported), (dropped, requests));
    cluster.shut_down();
    let remaining: Vec<String> = read.iter().collect();
    assert_eq!(remaining.last().unwrap(), "all workers have exited");
}

#[test]
fn dropped_journal_lines_are_reported() {
    let mut cluster = StalledCluster::start(&["--json"]);
    let log = read_lines(cluster.stderr.try_clone().unwrap());
    let mut reloads = 0;
    while cluster.metric("highwater_journal_lines_dropped_total") == 0 {
        for _ in 0..20 {
            cluster.signal(Signal::SIGHUP);
            thread::sleep(Duration::from_millis(1));
        }
        reloads += 20;
        assert!(reloads < 20_000, "no line was dropped");
    }
    assert_eq!(request(cluster.addr, "GET", "/").status, 200);
    assert!(log.try_iter().count() > 0);

    let read = read_lines(cluster.stdout.get_ref().try_clone().unwrap());
    let dropped_event = loop {
        let line = read.recv_timeout(TIMEOUT).unwrap();
        let line: serde_json::Value = match serde_json::from_str(&line) {
            Ok(line) => line,
            // `start` has read part of the first line.
            Err(_) => continue,
        };
        if line["event"] == "lines_dropped" {
            break line;
        }
    };
    assert!(
        dropped_event["count"].as_u64().unwrap() > 0,
        "{dropped_event}"
    );
    cluster.shut_down();
    let remaining: Vec<String> = read.iter().collect();
    let final_line: serde_json::Value = serde_json::from_str(remaining.last().unwrap()).unwrap();
    assert_eq!(final_line["event"], "stopped");
}

#[test]
fn client_disconnect_is_counted() {
    let cluster = StalledCluster::start(&[]);
    let log = read_lines(cluster.stderr.try_clone().unwrap());
    let mut connection = TcpStream::connect(cluster.addr).unwrap();
    let path = program::endless_request();
    let head = format!("GET {path} HTTP/1.1\r\nHost: it\r\n\r\n");
    connection.write_all(head.as_bytes()).unwrap();
    wait_until("the request is in flight", || {
        cluster.metric("highwater_http_requests_in_flight") == 2
    });
    drop(connection);
    wait_until("the disconnect is counted", || {
        cluster.metric("highwater_http_requests_hung_up_total") == 1
    });
    let error_count = cluster.metric("highwater_http_requests_total{status=\"5xx\"}");
    assert_eq!(error_count, 0);
    let errors: Vec<String> = log.try_iter().filter(|it| it.contains(" id=")).collect();
    assert_eq!(errors, [""; 0]);
}
