//! A server as a child process: its events, and signals to it.
//!
//! The server reports its events and those of its workers on standard output as JSON
//! lines, with `event` and, where there is one, `pid`. `highwater cluster --json` and the
//! peers in Node do so.

use std::io::{self, BufRead as _, BufReader, Read};
use std::net::SocketAddr;
use std::os::unix::process::{CommandExt as _, ExitStatusExt as _};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use serde_json::Value;

/// The longest time until the server listens.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The interval at which a process is polled for its exit.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// An event that a cluster has reported.
#[derive(Clone, Debug)]
pub struct ClusterEvent {
    /// Time at which it was read.
    pub at: Instant,
    /// Name of the event.
    pub event: String,
    /// The process concerned.
    pub pid: Option<u32>,
    /// The whole line.
    pub line: Value,
}

/// A running cluster, or a server of one process. Dropping it kills it and all of its
/// child processes.
pub struct Cluster {
    child: Child,
    addr: SocketAddr,
    output: Arc<ClusterOutput>,
    readers: Vec<JoinHandle<()>>,
}

impl Cluster {
    /// Starts a cluster and waits until it has reported its address and `workers` ready
    /// workers.
    ///
    /// # Errors
    ///
    /// If it cannot be started, exits, or takes longer than half a minute. The message
    /// includes its standard error.
    pub fn start(command: &mut Command, workers: usize) -> io::Result<Self> {
        let mut child = command
            // So that all of its processes can be killed together.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let output = Arc::new(ClusterOutput::default());
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(read(stdout, &output, ClusterOutput::record_event));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(read(stderr, &output, ClusterOutput::record_log));
        }
        let mut cluster = Cluster {
            child,
            addr: SocketAddr::from(([0; 4], 0)),
            output,
            readers,
        };
        let addr = |event: &ClusterEvent| event.line["addr"].as_str()?.parse().ok();
        let started = cluster.wait_for(START_TIMEOUT, |events| {
            let addr = events.iter().find_map(addr)?;
            (live_workers(events).len() >= workers).then_some(addr)
        });
        let Some(started) = started else {
            let log = cluster.log().join("\n");
            return Err(io::Error::other(format!(
                "the server does not listen: {log}"
            )));
        };
        cluster.addr = started;
        Ok(cluster)
    }

    /// Returns the address it listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the id of the started process, the supervisor of the others.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the workers that were reported as ready and not as exited, oldest first.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        live_workers(&self.output.lock().events)
    }

    /// Returns all events so far.
    #[must_use]
    pub fn events(&self) -> Vec<ClusterEvent> {
        self.output.lock().events.clone()
    }

    /// Returns the number of events of this name.
    #[must_use]
    pub fn count(&self, event: &str) -> usize {
        let output = self.output.lock();
        output
            .events
            .iter()
            .filter(|reported| reported.event == event)
            .count()
    }

    /// Returns the lines of its standard error so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.output.lock().log.clone()
    }

    /// Waits until `find` returns `Some` for the events so far. Returns `None` after the
    /// timeout, or once the output has ended.
    pub fn wait_for<T>(
        &self,
        timeout: Duration,
        mut find: impl FnMut(&[ClusterEvent]) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + timeout;
        let mut output = self.output.lock();
        loop {
            if let Some(found) = find(&output.events) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || output.has_ended {
                return None;
            }
            let waited = self.output.changed.wait_timeout(output, left);
            output = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends a signal to the started process.
    ///
    /// # Errors
    ///
    /// If it has exited.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        send_signal(self.pid(), signal)
    }

    /// Waits until the started process has exited and its output is read to the end.
    /// Returns `None` after the timeout.
    ///
    /// # Errors
    ///
    /// If it cannot be waited for.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                for reader in self.readers.drain(..) {
                    // A panic of the reader ends the output as well.
                    let _ = reader.join();
                }
                return Ok(Some(status));
            }
            if since.elapsed() > timeout {
                return Ok(None);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Fails if no process is left.
        if let Ok(id) = i32::try_from(self.child.id()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = self.child.wait();
    }
}

/// Sends a signal to a process.
///
/// # Errors
///
/// If there is no such process.
pub fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    Ok(kill(Pid::from_raw(pid), signal)?)
}

/// Returns whether a process is running. A zombie is not.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .stderr(Stdio::null())
        .output();
    let state = state.map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned());
    state.is_ok_and(|state| !state.is_empty() && !state.starts_with('Z'))
}

/// Describes the exit status of a process.
#[must_use]
pub fn describe_exit(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// The output of a cluster, filled by reader threads.
#[derive(Default)]
struct ClusterOutput {
    state: Mutex<OutputState>,
    changed: Condvar,
}

#[derive(Default)]
struct OutputState {
    events: Vec<ClusterEvent>,
    log: Vec<String>,
    has_ended: bool,
}

impl ClusterOutput {
    fn lock(&self) -> MutexGuard<'_, OutputState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Records a line of standard output, or its end for `None`.
    fn record_event(&self, line: Option<&str>) {
        let at = Instant::now();
        let mut state = self.lock();
        match line.map(serde_json::from_str::<Value>) {
            Some(Ok(line)) => state.events.push(ClusterEvent {
                at,
                event: line["event"].as_str().unwrap_or_default().to_owned(),
                pid: line["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()),
                line,
            }),
            // Not an event.
            Some(Err(_)) => {}
            None => state.has_ended = true,
        }
        self.changed.notify_all();
    }

    /// Records a line of standard error.
    fn record_log(&self, line: Option<&str>) {
        self.lock().log.extend(line.map(str::to_owned));
    }
}

fn read(
    from: impl Read + Send + 'static,
    output: &Arc<ClusterOutput>,
    record: fn(&ClusterOutput, Option<&str>),
) -> JoinHandle<()> {
    let output = Arc::clone(output);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            record(&output, Some(&line));
        }
        record(&output, None);
    })
}

/// Returns the workers that were reported as ready and not as exited.
fn live_workers(events: &[ClusterEvent]) -> Vec<u32> {
    let mut workers = Vec::new();
    for ClusterEvent { event, pid, .. } in events {
        match (event.as_str(), pid) {
            ("ready", Some(pid)) => workers.push(*pid),
            ("exited", Some(pid)) => workers.retain(|it| it != pid),
            _ => {}
        }
    }
    workers
}
