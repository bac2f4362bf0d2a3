//! Request rate and latency of a server.

use std::net::SocketAddr;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use load::{Client, Load};

use crate::run::stdout_of;
use crate::workspace::Workspace;

const CONNECTIONS: usize = 64;
const TURN: Duration = Duration::from_secs(2);

/// The result of a measurement.
pub(super) struct HttpResult {
    pub(super) per_second: f64,
    pub(super) p99_ms: f64,
}

impl HttpResult {
    /// Returns the approximate number of requests of the measurement.
    pub(super) fn answered(&self) -> f64 {
        self.per_second * TURN.as_secs_f64()
    }
}

/// Returns the name of the load generator. wrk is preferred, because it is an
/// independent tool.
pub(super) fn generator(workspace: &Workspace) -> &'static str {
    if workspace.find("wrk").is_some() {
        "wrk"
    } else {
        "the built-in load generator (wrk is not on the PATH)"
    }
}

/// Warms up the server's JIT compiler.
pub(super) fn warm_up(addr: SocketAddr) {
    let _ = run_builtin(addr, "/");
}

pub(super) fn measure(workspace: &Workspace, addr: SocketAddr, path: &str) -> Result<HttpResult> {
    match workspace.find("wrk") {
        Some(wrk) => run_wrk(Command::new(wrk), addr, path),
        None => run_builtin(addr, path),
    }
}

fn run_wrk(mut wrk: Command, addr: SocketAddr, path: &str) -> Result<HttpResult> {
    // Two threads, because wrk itself would be the bottleneck with one.
    wrk.args(["-t2", "--latency"])
        .arg(format!("-c{CONNECTIONS}"))
        .arg(format!("-d{}s", TURN.as_secs()))
        .arg(format!("http://{addr}{path}"));
    let report = stdout_of(&mut wrk).context("wrk failed")?;
    parse(&report).with_context(|| format!("unexpected wrk report:\n{report}"))
}

/// Parses a wrk report.
fn parse(report: &str) -> Result<HttpResult> {
    for error_label in ["Socket errors", "Non-2xx"] {
        ensure!(!report.contains(error_label), "requests failed");
    }
    let value_after = |label: &str| {
        let mut lines = report.lines().map(str::trim);
        lines.find_map(|line| line.strip_prefix(label))
    };
    let per_second = value_after("Requests/sec:")
        .context("no rate")?
        .trim()
        .parse()?;
    let p99_ms = milliseconds(value_after("99%").context("no latency")?.trim())?;
    Ok(HttpResult { per_second, p99_ms })
}

/// Parses a duration such as `950.00us`, `1.20ms` or `3.10s`.
fn milliseconds(text: &str) -> Result<f64> {
    for (unit, factor) in [("us", 1e-3), ("ms", 1.0), ("s", 1e3), ("m", 6e4)] {
        if let Some(Ok(number)) = text.strip_suffix(unit).map(str::parse::<f64>) {
            return Ok(number * factor);
        }
    }
    bail!("{text} is not a duration")
}

fn run_builtin(addr: SocketAddr, path: &str) -> Result<HttpResult> {
    let load = Load::on(addr)
        .path(path)
        .clients(Client::KeepAlive, CONNECTIONS);
    let start = Instant::now();
    let running = load.start();
    thread::sleep(TURN);
    let total = running.stop().total();
    let failed = total.failures() + total.unsuccessful();
    ensure!(failed == 0, "requests failed: {total}");
    Ok(HttpResult {
        per_second: total.answered() as f64 / start.elapsed().as_secs_f64(),
        p99_ms: total.percentile(99.0).as_secs_f64() * 1e3,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrk_report_is_parsed() {
        let report = "  Latency Distribution\n     50%  349.00us\n     99%    1.50ms\n  \
                      173889 requests in 4.06s, 56.80MB read\nRequests/sec:  43395.25\n";
        let result = parse(report).unwrap();
        let is_close = |actual: f64, expected: f64| (actual - expected).abs() < 1e-9;
        assert!(is_close(result.per_second, 43_395.25) && is_close(result.p99_ms, 1.5));
        assert!(is_close(milliseconds("349.00us").unwrap(), 0.349));
        assert!(is_close(milliseconds("2.00s").unwrap(), 2_000.0));
        assert!(milliseconds("soon").is_err());
    }

    #[test]
    fn failed_requests_invalidate_the_rate() {
        let rate = "99% 1.00ms\nRequests/sec: 1.0\n";
        assert!(parse(rate).is_ok());
        let errors = "Socket errors: connect 0, read 3, write 0, timeout 0\n";
        assert!(parse(&format!("{errors}{rate}")).is_err());
        let status_errors = "Non-2xx or 3xx responses: 17\n";
        assert!(parse(&format!("{status_errors}{rate}")).is_err());
    }
}
