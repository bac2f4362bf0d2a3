//! The speed of the simulated world, compared with SimPy and with real time.

mod cluster;
mod outcome;
mod queue;
mod simpy;

use anyhow::Result;

use super::outcome::Outcome;
use super::rounds::{HIGHWATER, run_rounds};
use crate::million_users::ROUNDS;
use crate::page;
use crate::workspace::Workspace;
use outcome::SimulationOutcome;
use queue::Design;
use simpy::{SIMPY, SimPy};

pub(super) fn run(with_tab: bool) -> Result<Box<dyn Outcome>> {
    let workspace = Workspace::new()?;
    let simpy = SimPy::find(&workspace);
    let mut outcome = SimulationOutcome::new(simpy.versions());
    run_rounds(ROUNDS, |_, progress| {
        for design in Design::ALL {
            progress(&format!("M/M/1, {}, SimPy", design.name()));
            if let Some(run) = simpy.run(design)? {
                outcome.queue((design, SIMPY), run);
            }
            progress(&format!("M/M/1, {}, highwater", design.name()));
            outcome.queue((design, HIGHWATER), queue::run(design)?);
        }
        progress("cluster, natively");
        outcome.cluster("native", cluster::run()?);
        Ok(())
    })?;
    if with_tab {
        for run in page::measure_simulation()? {
            outcome.cluster("tab", run);
        }
    }
    Ok(Box::new(outcome))
}
