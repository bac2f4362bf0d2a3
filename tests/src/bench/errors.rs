//! A server with the layer and without, and what an error costs.

mod outcome;
mod paired;
mod rendered;
mod served;

use super::outcome::Outcome;
use super::rounds;
use outcome::Errors;
use rendered::Step;
use served::Servers;

/// One pair each: with the layer and without.
const ROUNDS: usize = 100;

pub(super) fn run() -> anyhow::Result<Box<dyn Outcome>> {
    let mut outcome = Errors::default();
    rounds(ROUNDS, |round, progress| {
        progress("servers");
        // New ones each time: where their memory comes to lie makes one quicker
        // than the other.
        let servers = Servers::start()?;
        outcome.served(servers.ask_in_turn(round)?);
        progress("an error");
        for step in Step::ALL {
            outcome.step(step, step.time());
        }
        Ok(())
    })?;
    Ok(Box::new(outcome))
}
