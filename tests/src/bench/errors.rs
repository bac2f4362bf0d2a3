//! The cost of the error layer per request, and of an error.

mod outcome;
mod rendering;
mod servers;
mod statistics;

use super::outcome::Outcome;
use super::rounds;
use outcome::ErrorsOutcome;
use rendering::Step;
use servers::Servers;

/// The number of rounds. Each yields one pair: with the layer and without.
const ROUNDS: usize = 100;

pub(super) fn run() -> anyhow::Result<Box<dyn Outcome>> {
    let mut outcome = ErrorsOutcome::default();
    rounds(ROUNDS, |round, progress| {
        progress("servers");
        // New servers each time, since the memory layout makes one faster than another.
        let servers = Servers::start()?;
        outcome.add_times(servers.measure(round)?);
        progress("an error");
        for step in Step::ALL {
            outcome.add_step(step, step.time());
        }
        Ok(())
    })?;
    Ok(Box::new(outcome))
}
