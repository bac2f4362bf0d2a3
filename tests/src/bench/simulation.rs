//! The speed of the simulated world, compared with SimPy and with real time.

mod cluster;
mod outcome;
mod queue;
mod simpy;

use anyhow::Result;

use super::outcome::Outcome;
use super::rounds::{HIGHWATER, run_rounds};
use crate::page;
use crate::workspace::Workspace;
use cluster::ClusterRun;
use outcome::{ROUNDS, SimulationOutcome};
use simpy::{SIMPY, SimPy};

pub(super) fn run(with_tab: bool) -> Result<Box<dyn Outcome>> {
    let workspace = Workspace::new()?;
    let simpy = SimPy::find(&workspace);
    let mut outcome = SimulationOutcome::new(simpy.versions());
    run_rounds(ROUNDS, |_, progress| {
        progress("M/M/1, SimPy");
        if let Some(run) = simpy.run()? {
            outcome.queue(SIMPY, run);
        }
        progress("M/M/1, highwater");
        outcome.queue(HIGHWATER, queue::run());
        progress("cluster, natively");
        outcome.cluster("native", cluster::run()?);
        Ok(())
    })?;
    if with_tab {
        let page::TabRun {
            seconds,
            simulated_seconds,
        } = page::measure_simulation()?;
        // The same seed gives the same run in both places.
        let requests = cluster::run()?.requests;
        let run = ClusterRun {
            seconds,
            simulated_seconds,
            requests,
        };
        outcome.cluster("tab", run);
    }
    Ok(Box::new(outcome))
}
