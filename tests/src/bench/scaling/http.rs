//! How many requests a second, and how long they take.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use load::{Client, Load};

use super::super::printed;
use crate::workspace::Workspace;

const CONNECTIONS: usize = 64;
const TURN: Duration = Duration::from_secs(2);

/// What a turn came to.
pub(super) struct Turn {
    pub(super) per_second: f64,
    pub(super) p99_ms: f64,
}

/// What generates the load: wrk if it is there, since nobody has to believe us
/// then.
pub(super) fn generator(workspace: &Workspace) -> &'static str {
    if workspace.find("wrk").is_some() {
        "wrk"
    } else {
        "ours: there is no wrk on the PATH"
    }
}

/// For compilers that learn while they run.
pub(super) fn warm_up(addr: SocketAddr) {
    let _ = by_ours(addr);
}

pub(super) fn measure(workspace: &Workspace, addr: SocketAddr) -> Result<Turn> {
    match workspace.find("wrk") {
        Some(wrk) => by_wrk(Command::new(wrk), addr),
        None => by_ours(addr),
    }
}

fn by_wrk(mut wrk: Command, addr: SocketAddr) -> Result<Turn> {
    // Two threads: with one it is wrk that is measured.
    wrk.args(["-t2", "--latency"])
        .arg(format!("-c{CONNECTIONS}"))
        .arg(format!("-d{}s", TURN.as_secs()))
        .arg(format!("http://{addr}/"));
    let report = printed(&mut wrk).context("wrk failed")?;
    read(&report).with_context(|| format!("wrk said:\n{report}"))
}

/// What is of use in the report of wrk.
fn read(report: &str) -> Result<Turn> {
    for complaint in ["Socket errors", "Non-2xx"] {
        ensure!(!report.contains(complaint), "requests have failed");
    }
    let after = |word: &str| {
        let mut lines = report.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(word))
    };
    let per_second = after("Requests/sec:").context("no rate")?.trim().parse()?;
    let p99_ms = milliseconds(after("99%").context("no latency")?.trim())?;
    Ok(Turn { per_second, p99_ms })
}

/// `950.00us`, `1.20ms`, `3.10s`.
fn milliseconds(text: &str) -> Result<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 6e4)] {
        if let Some(Ok(number)) = text.strip_suffix(unit).map(str::parse::<f64>) {
            return Ok(number * factor);
        }
    }
    bail!("{text} is no time")
}

fn by_ours(addr: SocketAddr) -> Result<Turn> {
    let load = Load::on(addr).clients(Client::KeepAlive, CONNECTIONS);
    let start = Instant::now();
    let running = load.start();
    thread::sleep(TURN);
    let total = running.stop().total();
    let failed = total.failures() + total.unsuccessful();
    ensure!(failed == 0, "requests have failed: {total}");
    Ok(Turn {
        per_second: total.answered() as f64 / start.elapsed().as_secs_f64(),
        p99_ms: total.percentile(99.0).as_secs_f64() * 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_of_wrk_is_read() {
        let report = "  Latency Distribution\n     50%  349.00us\n     99%    1.50ms\n  \
                      173889 requests in 4.06s, 56.80MB read\nRequests/sec:  43395.25\n";
        let turn = read(report).unwrap();
        let is = |found: f64, wanted: f64| (found - wanted).abs() < 1e-9;
        assert!(is(turn.per_second, 43_395.25) && is(turn.p99_ms, 1.5));
        assert!(is(milliseconds("349.00us").unwrap(), 0.349));
        assert!(is(milliseconds("2.00s").unwrap(), 2_000.0));
        assert!(milliseconds("soon").is_err());
    }

    #[test]
    fn a_rate_with_failed_requests_is_none() {
        let rate = "99% 1.00ms\nRequests/sec: 1.0\n";
        assert!(read(rate).is_ok());
        let errors = "Socket errors: connect 0, read 3, write 0, timeout 0\n";
        assert!(read(&format!("{errors}{rate}")).is_err());
        let statuses = "Non-2xx or 3xx responses: 17\n";
        assert!(read(&format!("{statuses}{rate}")).is_err());
    }
}
