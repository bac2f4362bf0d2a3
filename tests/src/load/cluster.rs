//! Servers as child processes: their events, and signals to them.
//!
//! A server must report its own events and those of its workers on standard output, as
//! JSON lines with `event` and, for events of a process, `pid`. `highwater cluster
//! --json` and the Node servers do so.

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

/// The time limit for a server to start listening.
const START_TIMEOUT: Duration = Duration::from_secs(30);
/// The interval at which a process is polled for its exit.
const POLL_INTERVAL: Duration = Duration::from_millis(5);

/// An event reported by a cluster.
#[derive(Clone, Debug)]
pub struct ClusterEvent {
    /// The time at which the event was read.
    pub at: Instant,
    /// The event's name.
    pub event: String,
    /// The process that the event is about.
    pub pid: Option<u32>,
    /// The complete JSON line.
    pub line: Value,
}

/// A running cluster or single-process server. Dropping it kills it and all of its
/// child processes.
pub struct Cluster {
    child: Child,
    addr: SocketAddr,
    output: Arc<ClusterOutput>,
    readers: Vec<JoinHandle<()>>,
}

impl Cluster {
    /// Starts a cluster and waits until it has reported its address and that `workers`
    /// workers are ready.
    ///
    /// # Errors
    ///
    /// If the cluster cannot be started, exits, or takes longer than 30 s to become
    /// ready. The error includes its standard error output.
    pub fn start(command: &mut Command, workers: usize) -> io::Result<Self> {
        let mut cluster = Cluster::spawn(command, SocketAddr::from(([0; 4], 0)))?;
        let addr = |event: &ClusterEvent| event.line["addr"].as_str()?.parse().ok();
        let started = cluster.wait_for(START_TIMEOUT, |events| {
            let addr = events.iter().find_map(addr)?;
            (live_workers(events).len() >= workers).then_some(addr)
        });
        let Some(started) = started else {
            let log = cluster.log().join("\n");
            return Err(io::Error::other(format!(
                "the server did not become ready: {log}"
            )));
        };
        cluster.addr = started;
        Ok(cluster)
    }

    /// Starts a server that listens on a known address. It need not report events, and
    /// may not be ready yet.
    ///
    /// # Errors
    ///
    /// If the server cannot be started.
    pub fn spawn(command: &mut Command, addr: SocketAddr) -> io::Result<Self> {
        let mut child = command
            // A process group, so that one signal kills all of its processes.
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
        Ok(Cluster {
            child,
            addr,
            output,
            readers,
        })
    }

    /// Returns the address the server listens on.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Returns the process id of the supervisor.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Returns the process ids of workers that are ready and have not exited, oldest
    /// first.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        live_workers(&self.output.lock().events)
    }

    /// Returns all events so far.
    #[must_use]
    pub fn events(&self) -> Vec<ClusterEvent> {
        self.output.lock().events.clone()
    }

    /// Returns the number of events with this name.
    #[must_use]
    pub fn count(&self, event: &str) -> usize {
        let output = self.output.lock();
        output
            .events
            .iter()
            .filter(|reported| reported.event == event)
            .count()
    }

    /// Returns the lines written to standard error so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.output.lock().log.clone()
    }

    /// Waits until `find` returns `Some` for the events so far. Returns `None` after
    /// the timeout or once standard output is closed.
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

    /// Sends a signal to the supervisor.
    ///
    /// # Errors
    ///
    /// If the process has exited.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        send_signal(self.pid(), signal)
    }

    /// Waits until the supervisor has exited and all output is read. Returns `None`
    /// after the timeout.
    ///
    /// # Errors
    ///
    /// If waiting for the process fails.
    pub fn wait(&mut self, timeout: Duration) -> io::Result<Option<ExitStatus>> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                for reader in self.readers.drain(..) {
                    // If the reader has panicked, the output read so far is kept.
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
        // Fails only if all processes have exited.
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

/// Returns whether a process is running. Zombies do not count.
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

/// The output of a cluster, recorded by reader threads.
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

    /// Records a line of standard output, or its end if `line` is `None`.
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
            // The line is not an event.
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

/// Returns the process ids of workers that are ready and have not exited.
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
