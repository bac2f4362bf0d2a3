//! Normal clients of a cluster beside 500 slow ones, by `slowhttptest`.

use std::fmt;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use load::cluster::Cluster;
use load::{Client, Load};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::machine;
use super::outcome::{Outcome, Target};
use super::rounds::run_rounds;
use super::service;
use super::statistics::median_of_sorted;
use crate::workspace::Workspace;

const ROUNDS: usize = 3;
const SLOW_CONNECTIONS: u64 = 500;
/// Requests of the normal clients per second, far below what two cores can serve.
const RATE: f64 = 400.0;
const TURN: Duration = Duration::from_secs(7);
const TIMEOUT: Duration = Duration::from_secs(20);

/// The slow clients beside the normal ones.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Slow {
    Nothing,
    Head,
    Body,
    Read,
}

impl Slow {
    const ALL: [Self; 4] = [Self::Nothing, Self::Head, Self::Body, Self::Read];

    fn name(self) -> &'static str {
        match self {
            Self::Nothing => "none",
            Self::Head => "slow heads",
            Self::Body => "slow bodies",
            Self::Read => "slow reads",
        }
    }

    /// Returns the options of `slowhttptest` and the request path, if there are any slow
    /// clients.
    fn options(self) -> Option<(&'static [&'static str], &'static str)> {
        match self {
            Self::Nothing => None,
            Self::Head => Some((&["-H", "-i", "2", "-x", "24"], "/")),
            Self::Body => Some((&["-B", "-i", "2", "-s", "8192", "-x", "10"], "/echo")),
            Self::Read => Some((
                &["-X", "-n", "1", "-w", "256", "-y", "512", "-z", "32"],
                "/big",
            )),
        }
    }
}

/// The results of the normal clients in one turn.
struct Turn {
    slow: Slow,
    /// Open slow connections at the start and at the end of the turn.
    connections: [u64; 2],
    sent: u64,
    failed: u64,
    p50_ms: f64,
    p99_ms: f64,
}

pub(super) fn run() -> Result<Box<dyn Outcome>> {
    let workspace = Workspace::new()?;
    let mut outcome = SlowClientsOutcome {
        machine: machine::describe(&workspace),
        turns: Vec::new(),
    };
    let Some(slowhttptest) = workspace.find("slowhttptest") else {
        eprintln!("tests: warning: skipped: install the package slowhttptest");
        return Ok(Box::new(outcome));
    };
    let service = service::build(&workspace)?;
    let mut command = Command::new(service);
    let cluster = Cluster::start(command.args(["--json", "--workers", "2"]), 2)?;
    run_rounds(ROUNDS, |_, progress| {
        for slow in Slow::ALL {
            progress(&format!("slow clients: {}", slow.name()));
            outcome.turns.push(measure(&cluster, slow, &slowhttptest)?);
        }
        Ok(())
    })?;
    ensure!(cluster.count("exited") == 0, "a worker exited");
    Ok(Box::new(outcome))
}

fn measure(cluster: &Cluster, slow: Slow, slowhttptest: &Path) -> Result<Turn> {
    let addr = cluster.addr();
    wait_for_connections(addr, |count| count == 0)?;
    let slow_clients = match slow.options() {
        Some((options, path)) => Some(SlowClients::start(slowhttptest, options, addr, path)?),
        None => None,
    };
    let at_start = match slow {
        Slow::Nothing => 0,
        _ => wait_for_connections(addr, |count| count >= SLOW_CONNECTIONS)?,
    };
    let running = Load::on(addr)
        .clients(Client::KeepAlive, 8)
        .clients(Client::NewConnection, 8)
        .rate(RATE)
        .start();
    thread::sleep(TURN);
    let ledger = running.stop();
    let at_end = open_connections(addr)?;
    drop(slow_clients);
    ensure!(ledger.adds_up(), "the ledger does not add up: {ledger}");
    let total = ledger.total();
    Ok(Turn {
        slow,
        connections: [at_start, at_end],
        sent: total.sent,
        failed: total.failures() + total.unsuccessful(),
        p50_ms: total.percentile(50.0).as_secs_f64() * 1e3,
        p99_ms: total.percentile(99.0).as_secs_f64() * 1e3,
    })
}

/// Waits until the number of open connections meets a condition, and returns it.
fn wait_for_connections(addr: SocketAddr, is_met: impl Fn(u64) -> bool) -> Result<u64> {
    let since = Instant::now();
    loop {
        let count = open_connections(addr)?;
        if is_met(count) {
            return Ok(count);
        }
        let is_in_time = since.elapsed() < TIMEOUT;
        ensure!(is_in_time, "the server still has {count} connections");
        thread::sleep(Duration::from_millis(50));
    }
}

/// Returns the number of open connections, without that of this request.
fn open_connections(addr: SocketAddr) -> Result<u64> {
    let mut connection = TcpStream::connect(addr)?;
    connection.set_read_timeout(Some(TIMEOUT))?;
    connection.write_all(b"GET /metrics HTTP/1.1\r\nHost: it\r\nConnection: close\r\n\r\n")?;
    let mut metrics = String::new();
    connection.read_to_string(&mut metrics)?;
    let mut lines = metrics.lines();
    let count = lines.find_map(|line| line.strip_prefix("highwater_connections_open "));
    let count: u64 = count
        .context("the number of connections is unknown")?
        .parse()?;
    Ok(count.saturating_sub(1))
}

/// A running `slowhttptest`, killed on drop.
struct SlowClients(Child);

impl SlowClients {
    fn start(program: &Path, options: &[&str], addr: SocketAddr, path: &str) -> Result<Self> {
        let mut command = Command::new(program);
        command
            .args(options)
            .args(["-c", &SLOW_CONNECTIONS.to_string(), "-r", "500", "-l", "60"])
            .args(["-u", &format!("http://{addr}{path}")])
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        Ok(SlowClients(command.spawn()?))
    }
}

impl Drop for SlowClients {
    fn drop(&mut self) {
        if let Ok(id) = i32::try_from(self.0.id()) {
            let _ = killpg(Pid::from_raw(id), Signal::SIGKILL);
        }
        let _ = self.0.wait();
    }
}

struct SlowClientsOutcome {
    machine: Vec<String>,
    turns: Vec<Turn>,
}

impl SlowClientsOutcome {
    fn of(&self, slow: Slow) -> impl Iterator<Item = &Turn> {
        self.turns.iter().filter(move |turn| turn.slow == slow)
    }

    fn median(&self, slow: Slow, value: fn(&Turn) -> f64) -> Option<f64> {
        let mut values: Vec<f64> = self.of(slow).map(value).collect();
        values.sort_by(f64::total_cmp);
        median_of_sorted(&values)
    }

    fn sum(&self, slow: Slow, value: fn(&Turn) -> u64) -> u64 {
        self.of(slow).map(value).sum()
    }

    /// Returns the median 99th percentile, divided by that without slow clients.
    fn p99_ratio(&self, slow: Slow) -> Option<f64> {
        let p99 = |slow| self.median(slow, |turn| turn.p99_ms);
        Some(p99(slow)? / p99(Slow::Nothing)?)
    }
}

impl Outcome for SlowClientsOutcome {
    fn figures(&self) -> Value {
        let turns = self.turns.iter().map(|turn| {
            json!({
                "slow_clients": turn.slow.name(),
                "slow_connections": turn.connections,
                "requests": turn.sent,
                "failed": turn.failed,
                "p50_ms": turn.p50_ms,
                "p99_ms": turn.p99_ms,
            })
        });
        json!({ "machine": self.machine, "turns": turns.collect::<Value>() })
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        if self.turns.is_empty() {
            return targets;
        }
        for slow in Slow::ALL {
            let failed = self.sum(slow, |turn| turn.failed);
            let text = format!("failed requests, slow clients: {}", slow.name());
            targets.push(Target::at_most(text, 0.0, failed as f64));
        }
        for slow in Slow::ALL.into_iter().skip(1) {
            let ratio = self.p99_ratio(slow).unwrap_or(f64::NAN);
            let text = format!("p99 with {} vs without slow clients", slow.name());
            targets.push(Target::at_most(text, 2.0, ratio));
        }
        targets
    }
}

impl fmt::Display for SlowClientsOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine.join("; "))?;
        writeln!(
            f,
            "cargo run --release -p tests -- bench slow-clients\n\
             2 workers; {RATE} requests/s by normal clients; {SLOW_CONNECTIONS} slow connections; \
             medians of {ROUNDS} rounds\n"
        )?;
        writeln!(
            f,
            "SLOW CLIENTS  CONNECTIONS  AT THE END  REQUESTS  FAILED  P50 MS  P99 MS  ÷ NONE"
        )?;
        for slow in Slow::ALL {
            let median = |value| self.median(slow, value).unwrap_or(f64::NAN);
            writeln!(
                f,
                "{:<12}  {:>11.0}  {:>10.0}  {:>8}  {:>6}  {:>6.2}  {:>6.2}  {:>6.2}",
                slow.name(),
                median(|turn| turn.connections[0] as f64),
                median(|turn| turn.connections[1] as f64),
                self.sum(slow, |turn| turn.sent),
                self.sum(slow, |turn| turn.failed),
                median(|turn| turn.p50_ms),
                median(|turn| turn.p99_ms),
                self.p99_ratio(slow).unwrap_or(f64::NAN),
            )?;
        }
        writeln!(f)?;
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
    fn p99_is_compared_with_the_median_quiet_turn() {
        let turn = |slow, p99_ms, failed| Turn {
            slow,
            connections: [0; 2],
            sent: 100,
            failed,
            p50_ms: 0.1,
            p99_ms,
        };
        let mut outcome = SlowClientsOutcome {
            machine: Vec::new(),
            turns: vec![
                turn(Slow::Nothing, 1.0, 0),
                turn(Slow::Nothing, 9.0, 0),
                turn(Slow::Nothing, 2.0, 0),
            ],
        };
        for slow in [Slow::Head, Slow::Body, Slow::Read] {
            outcome.turns.push(turn(slow, 3.0, 0));
        }
        assert_eq!(outcome.p99_ratio(Slow::Head), Some(1.5));
        assert_eq!(outcome.missed_target_count(), 0, "{outcome}");
        outcome.turns.push(turn(Slow::Read, 7.0, 1));
        assert_eq!(outcome.missed_target_count(), 2, "{outcome}");
    }
}
