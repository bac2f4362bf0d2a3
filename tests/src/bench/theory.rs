//! The native `cluster` beside queueing theory.

use std::fmt;
use std::process::Command;
use std::thread;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use super::outcome::{Outcome, Target};
use super::rounds::run_rounds;
use crate::run::{run_checked, stdout_of};
use crate::workspace::Workspace;

/// The largest gap between a mean wait and its prediction.
const MAX_GAP_PERCENT: f64 = 15.0;

/// The load of a run. Times are in milliseconds.
struct Load {
    workers: u32,
    utilization_percent: u32,
    interval: u32,
    work: u32,
    /// More at a high utilization, where waits depend on each other for longer.
    requests: u32,
}

const LOADS: [Load; 4] = [
    load(1, 50, 8, 4, 6_000),
    load(1, 80, 10, 8, 20_000),
    load(2, 50, 4, 4, 12_000),
    load(2, 80, 5, 8, 40_000),
];

const fn load(
    workers: u32,
    utilization_percent: u32,
    interval: u32,
    work: u32,
    requests: u32,
) -> Load {
    Load {
        workers,
        utilization_percent,
        interval,
        work,
        requests,
    }
}

/// The mean wait of a run, in milliseconds, and its prediction.
struct Wait {
    theory: f64,
    run: f64,
    gap_percent: f64,
}

struct TheoryRow {
    load: &'static Load,
    native: Wait,
    /// The simulation of the same requests.
    simulated: Wait,
    /// The measured mean service time, in milliseconds.
    service_time: f64,
    utilization: f64,
}

struct TheoryOutcome(Vec<TheoryRow>);

pub(super) fn run() -> Result<Box<dyn Outcome>> {
    let workspace = Workspace::new()?;
    run_checked(&mut workspace.cargo("build --release -p native"))?;
    let mut rows = Vec::new();
    run_rounds(1, |_, progress| {
        for load in &LOADS {
            let seconds = load.requests * load.interval / 1000;
            progress(&format!("{}, {seconds} s", load.name()));
            rows.push(load.measure(&workspace)?);
        }
        Ok(())
    })?;
    Ok(Box::new(TheoryOutcome(rows)))
}

impl Load {
    fn name(&self) -> String {
        format!("M/M/{} at {} %", self.workers, self.utilization_percent)
    }

    fn measure(&'static self, workspace: &Workspace) -> Result<TheoryRow> {
        let mut highwater = Command::new(workspace.target.join("release/highwater"));
        highwater.args(["run", "cluster", "--compare", "--json"]);
        let balance = if self.workers == 1 {
            "round_robin"
        } else {
            "shared_queue"
        };
        for (key, value) in [
            ("workers", self.workers),
            ("interval", self.interval),
            ("work", self.work),
            ("requests", self.requests),
        ] {
            highwater.arg("--set").arg(format!("{key}={value}"));
        }
        for setting in ["arrivals=poisson", "times=exponential", "event=none"] {
            highwater.args(["--set", setting]);
        }
        highwater.arg("--set").arg(format!("balance={balance}"));
        let report = stdout_of(&mut highwater).context("the run of `cluster` failed")?;
        let report: Value = serde_json::from_str(&report)?;
        let wait = |world: &str| -> Result<Wait> {
            let wait = &report[world]["theory"]["figures"]["mean_wait"];
            let number = |key| wait[key].as_f64().with_context(|| format!("no {key} wait"));
            Ok(Wait {
                theory: number("theory")? / 1e6,
                run: number("run")? / 1e6,
                gap_percent: number("gap_percent")?,
            })
        };
        let theory = &report["native"]["theory"];
        let service_time = theory["measured_service_time_ns"].as_f64();
        Ok(TheoryRow {
            load: self,
            native: wait("native")?,
            simulated: wait("simulated")?,
            service_time: service_time.context("no service time")? / 1e6,
            utilization: theory["utilization"].as_f64().context("no utilization")?,
        })
    }
}

impl Outcome for TheoryOutcome {
    fn figures(&self) -> Value {
        let wait = |wait: &Wait| {
            json!({
                "theory_ms": wait.theory,
                "run_ms": wait.run,
                "gap_percent": wait.gap_percent,
            })
        };
        let rows = self.0.iter().map(|row| {
            json!({
                "model": row.load.name(),
                "requests": row.load.requests,
                "service_time_ms": row.service_time,
                "utilization": row.utilization,
                "native": wait(&row.native),
                "simulated": wait(&row.simulated),
            })
        });
        json!({ "mean_waits": rows.collect::<Value>() })
    }

    fn targets(&self) -> Vec<Target> {
        let target = |row: &TheoryRow| {
            let text = format!("{}: gap of the native mean wait, %", row.load.name());
            Target::at_most(text, MAX_GAP_PERCENT, row.native.gap_percent.abs())
        };
        self.0.iter().map(target).collect()
    }
}

impl fmt::Display for TheoryOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cores = thread::available_parallelism().map_or(0, usize::from);
        writeln!(f, "Mean waits in ms, on {cores} cores.\n")?;
        writeln!(
            f,
            "MODEL         REQUESTS  SERVICE MS  UTILIZATION  THEORY  NATIVE    GAP %   SET: THEORY  SIMULATED    GAP %"
        )?;
        for row in &self.0 {
            let TheoryRow {
                load,
                native,
                simulated,
                service_time,
                utilization,
            } = row;
            writeln!(
                f,
                "{:<12}  {:>8}  {service_time:>10.2}  {utilization:>11.2}  {:>6.2}  {:>6.2}  {:>+7.1}  {:>11.2}  {:>9.2}  {:>+7.1}",
                load.name(),
                load.requests,
                native.theory,
                native.run,
                native.gap_percent,
                simulated.theory,
                simulated.run,
                simulated.gap_percent
            )?;
        }
        writeln!(f)?;
        for target in self.targets() {
            writeln!(f, "{target}")?;
        }
        writeln!(
            f,
            "\nTheory takes the mean service time that was measured. The simulation handles the same\n\
             requests with the set service times: its gap shows how far chance takes this run from\n\
             the mean."
        )
    }
}
