//! Results and targets of the simulation benchmark.

use std::fmt;
use std::fs;

use serde_json::{Value, json};

use super::super::outcome::{Outcome, Target, or_dash};
use super::super::rounds::{BestResults, HIGHWATER};
use super::queue::{Design, EXPECTED_WAIT_MS, QueueRun, REQUESTS};
use super::simpy::SIMPY;
use crate::million_users::{ClusterRun, ROUNDS, SETTINGS};

/// A design and the simulator that runs it.
type Contestant = (Design, &'static str);

pub(super) struct SimulationOutcome {
    versions: Vec<String>,
    /// Simulated M/M/1 requests per second.
    queues: BestResults<Contestant>,
    /// The mean wait of each contestant's last run, in milliseconds.
    waits: Vec<(Contestant, f64)>,
    /// Simulated cluster requests per second.
    clusters: BestResults<&'static str>,
    /// Simulated seconds of the cluster per second.
    speeds: BestResults<&'static str>,
}

impl SimulationOutcome {
    pub(super) fn new(versions: Vec<String>) -> Self {
        SimulationOutcome {
            versions,
            queues: BestResults::highest(),
            waits: Vec::new(),
            clusters: BestResults::highest(),
            speeds: BestResults::highest(),
        }
    }

    pub(super) fn queue(&mut self, contestant: Contestant, run: QueueRun) {
        self.queues.add(contestant, run.requests_per_second);
        self.waits.retain(|(known, _)| *known != contestant);
        self.waits.push((contestant, run.mean_wait_ms));
    }

    pub(super) fn cluster(&mut self, place: &'static str, run: ClusterRun) {
        self.clusters.add(place, run.requests / run.seconds);
        self.speeds.add(place, run.simulated_seconds / run.seconds);
    }

    fn wait_gap_percent(&self, contestant: Contestant) -> Option<f64> {
        let mut waits = self.waits.iter();
        let (_, wait) = waits.find(|(known, _)| *known == contestant)?;
        Some((wait / EXPECTED_WAIT_MS - 1.0) * 100.0)
    }
}

impl Outcome for SimulationOutcome {
    fn figures(&self) -> Value {
        let queues = self.queues.iter().map(|(contestant, rate)| {
            let (design, simulator) = *contestant;
            json!({
                "design": design.name(),
                "simulator": simulator,
                "requests": REQUESTS,
                "requests_per_second": rate,
                "spread_percent": self.queues.spread(contestant),
                "mean_wait_gap_percent": self.wait_gap_percent(*contestant),
            })
        });
        let clusters = self.clusters.iter().map(|(place, rate)| {
            json!({
                "place": place,
                "requests_per_second": rate,
                "spread_percent": self.clusters.spread(place),
                "times_real_time": self.speeds.get(place),
            })
        });
        json!({
            "cpu": cpu_model(),
            "peers": self.versions,
            "rounds": ROUNDS,
            "mm1": queues.collect::<Value>(),
            "cluster": clusters.collect::<Value>(),
        })
    }

    fn targets(&self) -> Vec<Target> {
        let mut targets = Vec::new();
        let mut at_least = |text: &str, min: f64, value: Option<f64>| {
            let text = text.to_owned();
            targets.push(match value {
                Some(value) => Target::at_least(text, min, value),
                None => Target::not_measured(text),
            });
        };
        // The other designs are for information.
        let design = Design::Documented;
        let text = format!("M/M/1, {}: requests per second vs SimPy", design.name());
        let vs_simpy = self.queues.ratio(&(design, HIGHWATER), &(design, SIMPY));
        at_least(&text, 50.0, vs_simpy);
        let native = self.speeds.get(&"native");
        at_least("a million users, natively: times real time", 20.0, native);
        if let Some(tab) = self.speeds.get(&"tab") {
            at_least(
                "a million users, in the tab: times real time",
                5.0,
                Some(tab),
            );
        }
        for (contestant, _) in self.queues.iter() {
            if let Some(gap) = self.wait_gap_percent(*contestant) {
                let (design, simulator) = (contestant.0.name(), contestant.1);
                let text = format!("M/M/1, {design}, {simulator}: mean wait vs theory, %");
                targets.push(Target::at_most(text, 5.0, gap.abs()));
            }
        }
        targets
    }
}

impl fmt::Display for SimulationOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let versions = self.versions.join(", ");
        writeln!(f, "Best of {ROUNDS} rounds. {}, {versions}\n", cpu_model())?;
        writeln!(
            f,
            "M/M/1, {REQUESTS} requests in every run, per second of CPU time"
        )?;
        for design in Design::ALL {
            writeln!(f, "{}: {}", design.name(), design.description())?;
        }
        writeln!(
            f,
            "DESIGN      SIMULATOR  REQUESTS/S  SPREAD  MEAN WAIT VS THEORY  ÷ SIMPY"
        )?;
        for (contestant, rate) in self.queues.iter() {
            let (design, simulator) = *contestant;
            writeln!(
                f,
                "{:<10}  {simulator:<9}  {rate:>10.0}  {:>4.0} %  {:>17.2} %  {:>7}",
                design.name(),
                self.queues.spread(contestant).unwrap_or_default(),
                self.wait_gap_percent(*contestant).unwrap_or_default(),
                or_dash(self.queues.ratio(contestant, &(design, SIMPY))),
            )?;
        }
        let settings = SETTINGS.map(|(key, value)| format!(" --set {key}={value}"));
        writeln!(
            f,
            "\nhighwater run cluster --world virtual{}",
            settings.concat()
        )?;
        writeln!(f, "PLACE   REQUESTS/S  SPREAD  × REAL TIME")?;
        for (place, rate) in self.clusters.iter() {
            let speed = self.speeds.get(place).unwrap_or_default();
            let spread = self.clusters.spread(place).unwrap_or_default();
            writeln!(
                f,
                "{place:<6}  {rate:>10.0}  {spread:>4.0} %  {speed:>11.1}"
            )?;
        }
        writeln!(f)?;
        for target in self.targets() {
            writeln!(f, "{target}")?;
        }
        Ok(())
    }
}

/// Returns the model of the CPU, if the system tells it.
fn cpu_model() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let line = info.lines().find(|line| line.starts_with("model name"));
    let model = line.and_then(|line| line.split_once(": "));
    model.map_or_else(|| "unknown CPU".to_owned(), |(_, model)| model.to_owned())
}
