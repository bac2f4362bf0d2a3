//! The example of `highwater-server` as a program of its own, outside the workspace:
//! under load through reloads and killed workers.

use std::fmt;
use std::fs;
use std::io::Read as _;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::fd::AsRawFd as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use load::cluster::{Cluster, send_signal};
use load::{Client, Kill, Ledger, Load};
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::machine;
use super::outcome::{Outcome, Target};
use crate::run::run_checked;
use crate::workspace::Workspace;

const RELOADS: usize = 20;
const KILLS: usize = 50;
/// The number of workers in the example.
const WORKERS: usize = 2;
/// A worker that is killed earlier counts as part of a crash loop.
const MIN_UPTIME: Duration = Duration::from_millis(1_100);
const POLL_INTERVAL: Duration = Duration::from_millis(1);
const TIMEOUT: Duration = Duration::from_mins(1);
const WRK_CONNECTIONS: u64 = 64;

pub(super) fn run() -> Result<Box<dyn Outcome>> {
    let workspace = Workspace::new()?;
    let program = build(&workspace)?;
    let wrk = workspace.find("wrk");
    let example = Example::start(&program)?;
    let reloads = Phase::run(&example, wrk.as_deref(), |example| {
        for reload in 1..=RELOADS {
            eprintln!("reload {reload} of {RELOADS}");
            example.cluster.signal(Signal::SIGHUP)?;
            example.wait_for_lines("reload complete", reload)?;
        }
        Ok(Vec::new())
    })?;
    let kills = Phase::run(&example, wrk.as_deref(), |example| {
        let mut kills = Vec::new();
        for number in 1..=KILLS {
            eprintln!("kill {number} of {KILLS}");
            kills.push(example.kill_oldest()?);
        }
        Ok(kills)
    })?;
    Ok(Box::new(SurvivalOutcome {
        machine: machine::describe(&workspace),
        reloads,
        kills,
    }))
}

/// Builds the first code block of the README as a package of its own.
fn build(workspace: &Workspace) -> Result<PathBuf> {
    let crate_folder = workspace.root.join("native/server");
    let readme = fs::read_to_string(crate_folder.join("README.md"))?;
    let source = first_rust_block(&readme).context("the README has no example")?;
    let folder = workspace.target.join("survival");
    fs::create_dir_all(folder.join("src"))?;
    fs::write(folder.join("src/main.rs"), source)?;
    fs::write(folder.join("Cargo.toml"), manifest(&crate_folder))?;
    // The same versions, so that nothing is downloaded.
    fs::copy(workspace.root.join("Cargo.lock"), folder.join("Cargo.lock"))?;
    let mut cargo = workspace.cargo("build --release");
    cargo.current_dir(&folder);
    cargo.env("CARGO_TARGET_DIR", folder.join("target"));
    run_checked(&mut cargo)?;
    Ok(folder.join("target/release/hello"))
}

fn first_rust_block(markdown: &str) -> Option<&str> {
    let (_, rest) = markdown.split_once("```rust\n")?;
    Some(rest.split_once("```")?.0)
}

fn manifest(crate_folder: &Path) -> String {
    format!(
        "[package]
name = \"hello\"
edition = \"2024\"

[dependencies]
axum = {{ version = \"0.8\", default-features = false, features = [\"http1\", \"tokio\"] }}
highwater-server = {{ path = '{}' }}

# A workspace of its own.
[workspace]
",
        crate_folder.display()
    )
}

/// The running example.
struct Example {
    cluster: Cluster,
}

impl Example {
    /// Starts the example on a free port: it inherits a socket, as from systemd.
    fn start(program: &Path) -> Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        fcntl(&socket, FcntlArg::F_SETFD(FdFlag::empty()))?;
        let mut command = Command::new(program);
        command
            .env("LISTEN_FDS", "1")
            .env("LISTEN_FDS_FIRST_FD", socket.as_raw_fd().to_string());
        let example = Example {
            cluster: Cluster::spawn(&mut command, socket.local_addr()?)?,
        };
        example.wait_for_lines(READY, WORKERS)?;
        Ok(example)
    }

    /// Waits until the log has `count` lines that contain `text`.
    fn wait_for_lines(&self, text: &str, count: usize) -> Result<()> {
        let since = Instant::now();
        while self.lines(text).len() < count {
            ensure!(
                since.elapsed() < TIMEOUT,
                "timed out waiting for \"{text}\" ({count} times):\n{}",
                self.cluster.log().join("\n")
            );
            thread::sleep(POLL_INTERVAL);
        }
        Ok(())
    }

    fn lines(&self, text: &str) -> Vec<String> {
        let mut log = self.cluster.log();
        log.retain(|line| line.contains(text));
        log
    }

    /// Kills the oldest worker, and waits for its exit and its replacement.
    fn kill_oldest(&self) -> Result<Kill> {
        // The other worker was started after the previous kill.
        thread::sleep(MIN_UPTIME / 2);
        let ready = self.lines(READY);
        let worker = oldest_worker(&ready).context("no worker is ready")?;
        let replaced_count = self.lines(REPLACED).len();
        let killed_at = Instant::now();
        send_signal(worker, Signal::SIGKILL)?;
        self.wait_for_lines(REPLACED, replaced_count + 1)?;
        let reported_at = Instant::now();
        self.wait_for_lines(READY, ready.len() + 1)?;
        Ok(Kill {
            worker,
            killed_at,
            reported_at,
        })
    }
}

/// The end of the log entries of workers that are ready, and of crashed workers.
const READY: &str = ") is ready";
const REPLACED: &str = "it will be replaced";

/// Returns the process id of the worker that has been ready for longest. `ready` are log
/// entries, such as `worker 1 (pid 4711) is ready: …`.
fn oldest_worker(ready: &[String]) -> Option<u32> {
    let (labels, pids): (Vec<&str>, Vec<&str>) = ready
        .iter()
        .filter_map(|line| line.split_once(')')?.0.split_once(" (pid "))
        .unzip();
    let is_current = |index: &usize| !labels[index + 1..].contains(&labels[*index]);
    let oldest = (0..labels.len()).find(is_current)?;
    pids[oldest].parse().ok()
}

/// The load during reloads or kills.
struct Phase {
    time: Duration,
    kills: Vec<Kill>,
    ledger: Ledger,
    wrk: Option<WrkResult>,
}

impl Phase {
    /// Runs `cause_exits` under load.
    fn run(
        example: &Example,
        wrk: Option<&Path>,
        cause_exits: impl FnOnce(&Example) -> Result<Vec<Kill>>,
    ) -> Result<Self> {
        let addr = example.cluster.addr();
        let wrk = wrk.map(|program| Wrk::start(program, addr)).transpose()?;
        let running = Load::on(addr)
            .clients(Client::KeepAlive, 8)
            .clients(Client::NewConnection, 4)
            .clients(Client::ThinkTime(Duration::from_millis(500)), 8)
            .timeout(Duration::from_secs(10))
            .start();
        let begin = Instant::now();
        let kills = cause_exits(example)?;
        let time = begin.elapsed();
        let ledger = running.stop();
        ensure!(ledger.adds_up(), "the ledger does not add up: {ledger}");
        Ok(Phase {
            time,
            kills,
            ledger,
            wrk: wrk.map(Wrk::stop).transpose()?,
        })
    }

    /// Returns the number of failed requests that no kill explains.
    fn unexplained(&self) -> u64 {
        let is_explained = |failed| self.kills.iter().any(|kill| kill.explains(failed));
        let unexplained = self.ledger.failed().filter(|it| !is_explained(it));
        unexplained.count() as u64 + self.ledger.total().unsuccessful()
    }

    /// Returns the largest number of requests that one kill explains.
    fn most_lost_by_a_kill(&self) -> usize {
        let lost = |kill: &Kill| self.ledger.failed().filter(|it| kill.explains(it)).count();
        self.kills.iter().map(lost).max().unwrap_or(0)
    }

    fn figures(&self) -> Value {
        let total = self.ledger.total();
        json!({
            "seconds": self.time.as_secs_f64(),
            "kills": self.kills.len(),
            "requests": total.sent,
            "failed": total.failures() + total.unsuccessful(),
            "unexplained": self.unexplained(),
            "most_lost_by_a_kill": self.most_lost_by_a_kill(),
            "wrk_requests": self.wrk.as_ref().map(|wrk| wrk.requests),
            "wrk_failed": self.wrk.as_ref().map(|wrk| wrk.failed),
        })
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.ledger)?;
        match &self.wrk {
            Some(WrkResult { requests, failed }) => writeln!(
                f,
                "wrk, {WRK_CONNECTIONS} connections: {requests} answered, {failed} failed"
            ),
            None => writeln!(f, "wrk is not installed"),
        }
    }
}

/// A running `wrk`.
struct Wrk(Child);

struct WrkResult {
    requests: u64,
    failed: u64,
}

impl Wrk {
    fn start(program: &Path, addr: SocketAddr) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .args(["-t1", "-d1h", "--timeout", "10s"])
            .arg(format!("-c{WRK_CONNECTIONS}"))
            .arg(format!("http://{addr}/"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        Ok(Wrk(command.spawn()?))
    }

    /// Interrupts it, so that it prints its report.
    fn stop(mut self) -> Result<WrkResult> {
        send_signal(self.0.id(), Signal::SIGINT)?;
        let mut report = String::new();
        let stdout = self.0.stdout.as_mut().context("no standard output")?;
        stdout.read_to_string(&mut report)?;
        parse(&report).with_context(|| format!("unexpected wrk report:\n{report}"))
    }
}

impl Drop for Wrk {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Parses a wrk report.
fn parse(report: &str) -> Option<WrkResult> {
    let mut lines = report.lines().map(str::trim);
    let requests = lines.find_map(|line| line.split_once(" requests in "))?.0;
    let failed = lines.filter_map(|line| {
        let is_error = ["Socket errors:", "Non-2xx"]
            .iter()
            .any(|it| line.starts_with(it));
        is_error.then(|| line.split_once(':').map_or("", |(_, counts)| counts))
    });
    let numbers = failed.flat_map(|counts| counts.split([' ', ',']));
    Some(WrkResult {
        requests: requests.parse().ok()?,
        failed: numbers
            .filter_map(|number| number.parse::<u64>().ok())
            .sum(),
    })
}

struct SurvivalOutcome {
    machine: Vec<String>,
    reloads: Phase,
    kills: Phase,
}

impl Outcome for SurvivalOutcome {
    fn figures(&self) -> Value {
        json!({
            "machine": self.machine,
            "reloads": self.reloads.figures(),
            "kills": self.kills.figures(),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = vec![
            at_most("failed requests in reloads", 0, self.reloads.unexplained()),
            at_most(
                "failed requests that no kill explains",
                0,
                self.kills.unexplained(),
            ),
        ];
        if let Some(wrk) = &self.reloads.wrk {
            targets.push(at_most("failed requests of wrk in reloads", 0, wrk.failed));
        }
        if let Some(wrk) = &self.kills.wrk {
            let in_flight = KILLS as u64 * WRK_CONNECTIONS;
            targets.push(at_most(
                "failed requests of wrk in kills",
                in_flight,
                wrk.failed,
            ));
        }
        targets
    }
}

fn at_most(text: &str, most: u64, found: u64) -> Target {
    Target::at_most(text.to_owned(), most as f64, found as f64)
}

impl fmt::Display for SurvivalOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine.join("; "))?;
        writeln!(
            f,
            "cargo run --release -p tests -- bench survival\n\n\
             {RELOADS} reloads in {:.1?}\n{}\n{KILLS} × kill -9 in {:.1?}\n{}\
             lost in flight: at most {} per kill\n",
            self.reloads.time,
            self.reloads,
            self.kills.time,
            self.kills,
            self.kills.most_lost_by_a_kill(),
        )?;
        for target in self.targets() {
            writeln!(f, "{target}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn oldest_worker_is_the_first_that_was_not_replaced() {
        let log = |lines: &[&str]| {
            lines
                .iter()
                .map(|&line| line.to_owned())
                .collect::<Vec<_>>()
        };
        let lines = log(&[
            "worker 1 (pid 11) is ready: /hello",
            "worker 2 (pid 12) is ready: /hello",
            "worker 1 (pid 13) is ready: /hello",
        ]);
        assert_eq!(oldest_worker(&lines[..1]), Some(11));
        assert_eq!(oldest_worker(&lines), Some(12));
        assert_eq!(oldest_worker(&[]), None);
    }

    #[test]
    fn wrk_errors_are_added_up() {
        let report = "  12 requests in 1.00s, 1.00KB read\n  \
                      Socket errors: connect 1, read 2, write 0, timeout 4\n  \
                      Non-2xx or 3xx responses: 8\nRequests/sec: 12.0\n";
        let result = parse(report).unwrap();
        assert_eq!((result.requests, result.failed), (12, 15));
        assert_eq!(parse("12 requests in 1.00s\n").unwrap().failed, 0);
        assert!(parse("").is_none());
    }

    #[test]
    fn readme_has_an_example_with_two_workers() {
        let readme = Workspace::new()
            .unwrap()
            .root
            .join("native/server/README.md");
        let readme = fs::read_to_string(readme).unwrap();
        let example = first_rust_block(&readme).unwrap();
        assert!(
            example.contains(&format!(".workers({WORKERS})")),
            "{example}"
        );
        assert!(example.contains("fn main()"), "{example}");
    }
}
