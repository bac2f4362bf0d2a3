//! Results and targets of the comparison of servers.

use std::fmt;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::super::machine;
use super::super::super::outcome::{Outcome, Target};
use super::super::super::statistics::median_of_sorted;
use super::contestants::{IDLE_CONNECTIONS, Server};
use crate::workspace::Workspace;

/// Rounds of each measurement. Every server is measured in every round.
pub(in super::super) const ROUNDS: usize = 7;

/// Results per server. A result exists for each round, except of memory.
#[derive(Default)]
pub(in super::super) struct ServingOutcome {
    machine: Vec<String>,
    servers: Vec<(Server, Results)>,
}

#[derive(Default)]
struct Results {
    /// Requests per second.
    rates: Vec<f64>,
    /// CPU time of the workers for each request, in microseconds.
    cpu_times: Vec<f64>,
    /// The median latency over one connection, in microseconds.
    latencies: Vec<f64>,
    /// The time from the start of the program to the first response, in milliseconds.
    starts: Vec<f64>,
    /// Memory of a worker after load, in MiB.
    worker: Option<f64>,
    /// Additional memory of all workers for the idle connections, in MiB.
    idle: Option<f64>,
}

impl ServingOutcome {
    pub(super) fn new(workspace: &Workspace) -> Self {
        ServingOutcome {
            machine: machine::describe(workspace),
            servers: Vec::new(),
        }
    }

    pub(super) fn rate(&mut self, server: Server, per_second: f64) {
        self.results(server).rates.push(per_second);
    }

    pub(super) fn cpu_time(&mut self, server: Server, seconds: f64) {
        self.results(server).cpu_times.push(seconds * 1e6);
    }

    pub(super) fn latency(&mut self, server: Server, microseconds: f64) {
        self.results(server).latencies.push(microseconds);
    }

    pub(super) fn start(&mut self, server: Server, time: Duration) {
        self.results(server).starts.push(time.as_secs_f64() * 1e3);
    }

    pub(super) fn worker_memory(&mut self, server: Server, mebibytes: f64) {
        self.results(server).worker = Some(mebibytes);
    }

    pub(super) fn idle_memory(&mut self, server: Server, mebibytes: f64) {
        self.results(server).idle = Some(mebibytes);
    }

    fn results(&mut self, server: Server) -> &mut Results {
        let known = self.servers.iter().position(|(known, _)| *known == server);
        let index = known.unwrap_or_else(|| {
            self.servers.push((server, Results::default()));
            self.servers.len() - 1
        });
        &mut self.servers[index].1
    }

    fn get(&self, server: Server) -> Option<&Results> {
        let mut servers = self.servers.iter();
        let (_, results) = servers.find(|(known, _)| *known == server)?;
        Some(results)
    }

    /// Returns the median over all rounds of what `compare` makes of the results of two
    /// servers in the same round.
    fn paired(
        &self,
        servers: [Server; 2],
        results: fn(&Results) -> &[f64],
        compare: fn(f64, f64) -> f64,
    ) -> Option<f64> {
        let [first, second] = servers;
        let first = results(self.get(first)?).iter();
        let pairs = first.zip(results(self.get(second)?));
        median(pairs.map(|(first, second)| compare(*first, *second)))
    }

    fn rate_ratio(&self, server: Server, to: Server) -> Option<f64> {
        self.paired([server, to], |it| &it.rates, |rate, to| rate / to)
    }

    /// Returns the additional latency of a request compared with bare hyper, in
    /// microseconds.
    fn added_latency(&self, server: Server) -> Option<f64> {
        let servers = [server, Server::Hyper];
        self.paired(
            servers,
            |it| &it.latencies,
            |latency, hyper| latency - hyper,
        )
    }
}

impl Outcome for ServingOutcome {
    fn figures(&self) -> Value {
        let servers = self.servers.iter().map(|(server, results)| {
            json!({
                "server": server.name(),
                "requests_per_second": median(results.rates.iter().copied()),
                "all_rates": results.rates,
                "cpu_us_per_request": median(results.cpu_times.iter().copied()),
                "latency_us": median(results.latencies.iter().copied()),
                "latency_added_to_hyper_us": self.added_latency(*server),
                "start_ms": median(results.starts.iter().copied()),
                "mib_per_worker": results.worker,
                "mib_per_10000_idle_connections": results.idle,
            })
        });
        json!({
            "machine": self.machine,
            "rounds": ROUNDS,
            "servers": servers.collect::<Value>(),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let ratio = |server: Server, to: Server, least| {
            let text = format!("{}: request rate vs {}", server.name(), to.name());
            match self.rate_ratio(server, to) {
                Some(ratio) => Target::at_least(text, least, ratio),
                None => Target::not_measured(text),
            }
        };
        vec![
            ratio(Server::Function, Server::Hyper, 0.95),
            ratio(Server::Function, Server::Nginx, 1.0),
            ratio(Server::Function, Server::NodeCluster, 2.0),
            ratio(Server::Router, Server::Axum, 1.0),
        ]
    }
}

impl fmt::Display for ServingOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write_table(f)?;
        for target in self.targets() {
            writeln!(f, "{target}")?;
        }
        Ok(())
    }
}

impl ServingOutcome {
    /// Prints the results without the targets.
    pub(in super::super) fn write_table(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.machine.join("; "))?;
        writeln!(
            f,
            "cargo run --release -p tests -- bench scaling\n\
             Medians of {ROUNDS} interleaved rounds; all responses have the same bytes.\n"
        )?;
        writeln!(
            f,
            "2 WORKERS OR THREADS     REQUESTS/S  ÷ HYPER  CPU µs  P50 µs  + HYPER  START MS  MIB A WORKER  \
             MIB FOR {IDLE_CONNECTIONS} IDLE"
        )?;
        for (server, results) in &self.servers {
            let median = |all: &[f64]| median(all.iter().copied()).unwrap_or(f64::NAN);
            let or_nan = |value: Option<f64>| value.unwrap_or(f64::NAN);
            writeln!(
                f,
                "{:<23}  {:>10.0}  {:>7.2}  {:>6.2}  {:>6.1}  {:>+7.1}  {:>8.1}  {:>12.2}  {:>18.1}",
                server.name(),
                median(&results.rates),
                or_nan(self.rate_ratio(*server, Server::Hyper)),
                median(&results.cpu_times),
                median(&results.latencies),
                or_nan(self.added_latency(*server)),
                median(&results.starts),
                or_nan(results.worker),
                or_nan(results.idle),
            )?;
        }
        writeln!(
            f,
            "\nRatios and differences are medians over rounds. The latency is that of one connection.\n\
             Memory is the proportional set size. 64 connections send requests at a time. The CPU time\n\
             is that of the workers for a request.\n"
        )
    }
}

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    median_of_sorted(&values)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ratios_are_medians_over_rounds() {
        let mut outcome = ServingOutcome::default();
        // The machine is slower in the second round.
        for (ours, hyper) in [(95.0, 100.0), (48.0, 50.0), (99.0, 100.0)] {
            outcome.rate(Server::Function, ours);
            outcome.rate(Server::Hyper, hyper);
        }
        let ratio = outcome.rate_ratio(Server::Function, Server::Hyper);
        assert_eq!(ratio, Some(0.96));
        assert_eq!(outcome.rate_ratio(Server::Function, Server::Nginx), None);
        // The targets of the other peers are missed, because they were not measured.
        assert_eq!(outcome.missed_target_count(), 3);
    }
}
