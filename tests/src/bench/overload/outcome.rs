//! The outcome of the overload benchmark.

use std::fmt;
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::outcome::{Outcome, Target};
use super::client::Figures;
use super::server::{Framework, Service};

/// The minimum goodput beyond the capacity, relative to the peak.
const MIN_GOODPUT: f64 = 0.9;
/// The maximum latency beyond the capacity.
const MAX_P99: Duration = Duration::from_millis(250);

pub(super) struct OverloadRow {
    pub(super) service: Service,
    pub(super) framework: Framework,
    /// The offered load, in multiples of the capacity.
    pub(super) load: f64,
    pub(super) onset: Figures,
    pub(super) steady: Figures,
}

#[derive(Default)]
pub(super) struct OverloadOutcome {
    pub(super) capacities: Vec<(Service, f64)>,
    pub(super) rows: Vec<OverloadRow>,
}

impl OverloadOutcome {
    /// Returns the highest goodput of a server.
    fn peak(&self, service: Service, framework: Framework) -> f64 {
        let rows = self.rows.iter();
        let rows = rows.filter(|row| row.service == service && row.framework == framework);
        rows.map(|row| row.steady.goodput).fold(0.0, f64::max)
    }
}

fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

impl Outcome for OverloadOutcome {
    fn figures(&self) -> Value {
        let figures = |figures: &Figures| {
            json!({
                "goodput_per_second": figures.goodput,
                "rejected_per_second": figures.rejected,
                "failed_per_second": figures.failed,
                "p50_ms": millis(figures.p50),
                "p99_ms": millis(figures.p99),
                "client_cpu": figures.client_cpu,
            })
        };
        let rows = self.rows.iter().map(|row| {
            json!({
                "service": row.service.name(),
                "server": row.framework.name(),
                "load": row.load,
                "onset": figures(&row.onset),
                "steady": figures(&row.steady),
            })
        });
        let capacities = self.capacities.iter().map(
            |(service, per_second)| json!({"service": service.name(), "per_second": per_second}),
        );
        json!({
            "capacities": capacities.collect::<Value>(),
            "overload": rows.collect::<Value>(),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let rows = self.rows.iter();
        let rows = rows.filter(|row| row.framework == Framework::Highwater && row.load > 1.0);
        rows.flat_map(|row| {
            let name = format!("{}, {} × capacity", row.service.name(), row.load);
            let goodput = row.steady.goodput / self.peak(row.service, row.framework);
            [
                Target::at_least(format!("{name}: goodput / peak"), MIN_GOODPUT, goodput),
                Target::at_most(
                    format!("{name}: p99, ms"),
                    millis(MAX_P99),
                    millis(row.steady.p99),
                ),
            ]
        })
        .collect()
    }
}

impl fmt::Display for OverloadOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = thread::available_parallelism().map_or(0, usize::from);
        writeln!(
            f,
            "An open loop of 1,000 connections on {cores} cores: the server runs on the first one,\n\
             the client on the last one. Latencies in ms, of the requests answered with 200, from the\n\
             time at which they were due. ONSET is the p99 of the first 3 s; the other figures are of\n\
             the 5 s after them.\n"
        )?;
        for (service, per_second) in &self.capacities {
            writeln!(
                f,
                "{}: {per_second:.0} requests/s in a closed loop of 64 connections to axum::serve",
                service.name()
            )?;
        }
        writeln!(
            f,
            "\nSERVICE                SERVER             LOAD  GOODPUT/S  REJECTED/S  FAILED/S    P50      P99    ONSET  CLIENT CPU %"
        )?;
        for row in &self.rows {
            let Figures {
                goodput,
                rejected,
                failed,
                p50,
                p99,
                client_cpu,
            } = row.steady;
            writeln!(
                f,
                "{:<21}  {:<16}  {:>5}  {goodput:>9.0}  {rejected:>10.0}  {failed:>8.0}  {:>5.0}  {:>7.0}  {:>7.0}  {:>12.0}",
                row.service.name(),
                row.framework.name(),
                row.load,
                millis(p50),
                millis(p99),
                millis(row.onset.p99),
                client_cpu * 100.0,
            )?;
        }
        writeln!(f)?;
        for target in self.targets() {
            writeln!(f, "{target}")?;
        }
        Ok(())
    }
}
