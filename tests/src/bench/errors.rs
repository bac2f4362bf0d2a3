//! The overhead of the error layer per request, and the cost of an error.

mod outcome;
mod rendering;
mod servers;

use super::outcome::Outcome;
use super::rounds::run_rounds;
use outcome::{ErrorsOutcome, ROUNDS};
use rendering::Step;
use servers::Servers;

pub(super) fn run() -> anyhow::Result<Box<dyn Outcome>> {
    let mut outcome = ErrorsOutcome::default();
    run_rounds(ROUNDS, |round, progress| {
        progress("servers");
        // New servers in each round, since the speed depends on the memory layout.
        let servers = Servers::start()?;
        outcome.add_times(servers.measure(round)?);
        progress("an error");
        for step in Step::ALL {
            outcome.add_step(step, step.nanoseconds_per_error());
        }
        Ok(())
    })?;
    Ok(Box::new(outcome))
}
