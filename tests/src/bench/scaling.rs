//! The comparison of servers and thread pools.

mod http;
mod kills;
mod node;
mod outcome;
mod pool;
mod restarts;
mod servers;
mod serving;
mod soak;

use super::outcome::Outcome;
use super::rounds::{HIGHWATER, run_rounds};
use crate::workspace::Workspace;
use node::Execution;
use outcome::{HTTP_ROUNDS, POOL_ROUNDS, ScalingOutcome};
use pool::{SLOW_JOB, TINY_JOB};
use servers::{Contestant, Servers};

pub(super) use soak::run as soak;

/// A part of the comparison.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// `highwater-server` and other servers that send the same bytes.
    Serving,
}

pub(super) fn run(only: Option<Part>) -> anyhow::Result<Box<dyn Outcome>> {
    let workspace = Workspace::new()?;
    let serving = serving::run(&workspace)?;
    if only == Some(Part::Serving) {
        return Ok(Box::new(serving));
    }
    let node = node::find(&workspace);
    let servers = Servers::prepare(&workspace)?;
    let mut outcome = ScalingOutcome::new(node.versions(), http::generator(&workspace), serving);
    // Node contestants are skipped if Node is not installed.
    let contestants = |all: &[Contestant]| -> Vec<Contestant> {
        let is_available = |it: &&Contestant| **it == Contestant::Highwater || node.is_installed();
        all.iter().filter(is_available).copied().collect()
    };

    let all = contestants(&Contestant::ALL);
    let mut running = Vec::new();
    for contestant in &all {
        running.push((*contestant, servers.start(*contestant)?));
    }
    run_rounds(HTTP_ROUNDS, |round, progress| {
        for (contestant, server) in &running {
            progress(&format!("requests, {}", contestant.name()));
            if round == 1 {
                http::warm_up(server.addr());
            }
            outcome.http(*contestant, &http::measure(&workspace, server.addr(), "/")?);
        }
        Ok(())
    })?;
    drop(running);

    run_rounds(POOL_ROUNDS, |round, progress| {
        for execution in Execution::ALL {
            // Blocking the loop is slow and always gives the same result, so it runs
            // only once.
            let should_run = round == 1 || execution != Execution::Loop;
            progress(&format!("two fib({SLOW_JOB}), {}", execution.name()));
            if should_run && let Some(delay) = node::delay(&node, execution, SLOW_JOB)? {
                outcome.delay(execution.name(), delay);
            }
        }
        progress(&format!("two fib({SLOW_JOB}), highwater"));
        outcome.delay(HIGHWATER, pool::delay(SLOW_JOB));
        progress("small tasks");
        if let Some(per_second) = node::small_task_rate(&node, TINY_JOB)? {
            outcome.tasks(node::PISCINA, per_second);
        }
        outcome.tasks(HIGHWATER, pool::small_task_rate(TINY_JOB));
        Ok(())
    })?;

    let clusters = contestants(&Contestant::CLUSTERS);
    run_rounds(1, |_, progress| {
        for contestant in &clusters {
            progress(&format!("kills, {}", contestant.name()));
            let server = servers.start(*contestant)?;
            outcome.kills(*contestant, kills::measure(&server)?);
            drop(server);
            progress(&format!("rolling restarts, {}", contestant.name()));
            let server = servers.start(*contestant)?;
            outcome.restarts(*contestant, restarts::measure(&server)?);
        }
        Ok(())
    })?;
    Ok(Box::new(outcome))
}
