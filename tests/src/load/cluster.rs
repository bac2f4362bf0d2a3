//! A server that is a process of ours: what it says, and what is done to it.
//!
//! It says what happens to it and its workers on its standard output, a JSON
//! object a line, with `event` and, where there is one, `pid`. `highwater cluster
//! --json` does, and so do the peers in Node.

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

/// How long it may take to listen.
const START_WITHIN: Duration = Duration::from_secs(30);
/// How often one looks whether a process has ended.
const LOOK: Duration = Duration::from_millis(5);

/// A line that a cluster has said.
#[derive(Clone, Debug)]
pub struct ClusterEvent {
    /// When it was read.
    pub at: Instant,
    /// What has happened.
    pub event: String,
    /// To which process.
    pub pid: Option<u32>,
    /// All of the line.
    pub line: Value,
}

/// A running cluster, or a server of one process. Dropped, it is killed with all
/// that it has started.
pub struct Cluster {
    child: Child,
    addr: SocketAddr,
    heard: Arc<Heard>,
    readers: Vec<JoinHandle<()>>,
}

impl Cluster {
    /// Starts it, and waits until it says where it listens and that so many of
    /// its workers are ready.
    ///
    /// # Errors
    ///
    /// If it cannot be started, ends, or takes longer than half a minute. The
    /// message has what it wrote to its standard error.
    pub fn start(command: &mut Command, workers: usize) -> io::Result<Self> {
        let mut child = command
            // So that nothing of it is left, whatever becomes of it.
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let heard = Arc::new(Heard::default());
        let mut readers = Vec::new();
        if let Some(stdout) = child.stdout.take() {
            readers.push(read(stdout, &heard, Heard::say));
        }
        if let Some(stderr) = child.stderr.take() {
            readers.push(read(stderr, &heard, Heard::log));
        }
        let mut cluster = Cluster {
            child,
            addr: SocketAddr::from(([0; 4], 0)),
            heard,
            readers,
        };
        let addr = |said: &ClusterEvent| said.line["addr"].as_str()?.parse().ok();
        let started = cluster.wait_for(START_WITHIN, |said| {
            let addr = said.iter().find_map(addr)?;
            (living(said).len() >= workers).then_some(addr)
        });
        let Some(started) = started else {
            let log = cluster.log().join("\n");
            return Err(io::Error::other(format!("it does not listen: {log}")));
        };
        cluster.addr = started;
        Ok(cluster)
    }

    /// Where it listens.
    #[must_use]
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// The process that was started: the supervisor of the others.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The workers that are ready and have not ended, the oldest first, as far
    /// as it has said.
    #[must_use]
    pub fn workers(&self) -> Vec<u32> {
        living(&self.heard.lock().said)
    }

    /// All that it has said so far.
    #[must_use]
    pub fn said(&self) -> Vec<ClusterEvent> {
        self.heard.lock().said.clone()
    }

    /// How often it has said so.
    #[must_use]
    pub fn count(&self, event: &str) -> usize {
        let heard = self.heard.lock();
        heard.said.iter().filter(|said| said.event == event).count()
    }

    /// The lines of its standard error so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.heard.lock().log.clone()
    }

    /// Waits until there is something to find in what it has said; `None` if it
    /// takes longer than that, or says no more.
    pub fn wait_for<T>(
        &self,
        patience: Duration,
        mut find: impl FnMut(&[ClusterEvent]) -> Option<T>,
    ) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut heard = self.heard.lock();
        loop {
            if let Some(found) = find(&heard.said) {
                return Some(found);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() || heard.is_over {
                return None;
            }
            let waited = self.heard.news.wait_timeout(heard, left);
            heard = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Sends a signal to the process that was started.
    ///
    /// # Errors
    ///
    /// If it has ended.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        send_signal(self.pid(), signal)
    }

    /// Waits until the process that was started ends, and all that it has said
    /// is read; `None` if it takes longer than that.
    ///
    /// # Errors
    ///
    /// If it cannot be waited for.
    pub fn wait(&mut self, patience: Duration) -> io::Result<Option<ExitStatus>> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait()? {
                for reader in self.readers.drain(..) {
                    // It has read to the end or has had a bug: both is the end.
                    let _ = reader.join();
                }
                return Ok(Some(status));
            }
            if since.elapsed() > patience {
                return Ok(None);
            }
            thread::sleep(LOOK);
        }
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Fails when nobody is left, which is as well.
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
/// If there is none.
pub fn send_signal(pid: u32, signal: Signal) -> io::Result<()> {
    let pid = i32::try_from(pid).map_err(io::Error::other)?;
    Ok(kill(Pid::from_raw(pid), signal)?)
}

/// Whether a process runs: one that has ended and that nobody has asked about
/// does not.
#[must_use]
pub fn is_running(pid: u32) -> bool {
    let state = Command::new("ps")
        .args(["-o", "stat=", "-p", &pid.to_string()])
        .stderr(Stdio::null())
        .output();
    let state = state.map(|done| String::from_utf8_lossy(&done.stdout).trim().to_owned());
    state.is_ok_and(|state| !state.is_empty() && !state.starts_with('Z'))
}

/// How a process ended, in words.
#[must_use]
pub fn describe_exit(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => status.to_string(),
    }
}

/// What a cluster was heard saying.
#[derive(Default)]
struct Heard {
    notes: Mutex<Notes>,
    news: Condvar,
}

#[derive(Default)]
struct Notes {
    said: Vec<ClusterEvent>,
    log: Vec<String>,
    is_over: bool,
}

impl Heard {
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a line of its standard output; `None` is the end of it.
    fn say(&self, line: Option<&str>) {
        let at = Instant::now();
        let mut notes = self.lock();
        match line.map(serde_json::from_str::<Value>) {
            Some(Ok(line)) => notes.said.push(ClusterEvent {
                at,
                event: line["event"].as_str().unwrap_or_default().to_owned(),
                pid: line["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok()),
                line,
            }),
            // Not for us.
            Some(Err(_)) => {}
            None => notes.is_over = true,
        }
        self.news.notify_all();
    }

    /// Notes a line of its standard error.
    fn log(&self, line: Option<&str>) {
        self.lock().log.extend(line.map(str::to_owned));
    }
}

fn read(
    from: impl Read + Send + 'static,
    heard: &Arc<Heard>,
    note: fn(&Heard, Option<&str>),
) -> JoinHandle<()> {
    let heard = Arc::clone(heard);
    thread::spawn(move || {
        for line in BufReader::new(from).lines().map_while(Result::ok) {
            note(&heard, Some(&line));
        }
        note(&heard, None);
    })
}

/// Those of which it was said that they are ready, and not that they ended.
fn living(said: &[ClusterEvent]) -> Vec<u32> {
    let mut living = Vec::new();
    for ClusterEvent { event, pid, .. } in said {
        match (event.as_str(), pid) {
            ("ready", Some(pid)) => living.push(*pid),
            ("exited", Some(pid)) => living.retain(|it| it != pid),
            _ => {}
        }
    }
    living
}
