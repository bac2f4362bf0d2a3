//! Servers and pools, beside their peers.

mod http;
mod kills;
mod node;
mod ours;
mod outcome;
mod restarts;
mod servers;
mod soak;

use super::outcome::Outcome;
use super::rounds;
use crate::workspace::Workspace;
use node::{How, Node};
use outcome::Scaling;
use servers::{Contestant, Servers};

const HTTP_ROUNDS: usize = 5;
const POOL_ROUNDS: usize = 3;
/// What blocks a loop for seconds, if it is let.
const BIG: u32 = 42;
/// What is over sooner than it is handed to another thread.
const SMALL: u32 = 5;

pub(super) use soak::run as soak;

pub(super) fn run() -> anyhow::Result<Box<dyn Outcome>> {
    let workspace = Workspace::new()?;
    let node = Node::find(&workspace);
    let servers = Servers::prepare(&workspace)?;
    let mut outcome = Scaling::new(node.versions(), http::generator(&workspace));
    // Those that need Node are left out without it.
    let contestants = |all: &[Contestant]| -> Vec<Contestant> {
        let is_there = |it: &&Contestant| **it == Contestant::Ours || node.is_there();
        all.iter().filter(is_there).copied().collect()
    };

    let all = contestants(&Contestant::ALL);
    let mut running = Vec::new();
    for contestant in &all {
        running.push((*contestant, servers.start(*contestant)?));
    }
    rounds(HTTP_ROUNDS, |round, progress| {
        for (contestant, server) in &running {
            progress(&format!("requests, {}", contestant.name()));
            if round == 1 {
                http::warm_up(server.addr());
            }
            outcome.http(*contestant, &http::measure(&workspace, server.addr())?);
        }
        Ok(())
    })?;
    drop(running);

    rounds(POOL_ROUNDS, |round, progress| {
        for how in How::ALL {
            // Blocking a loop takes long, and comes to the same each time.
            let is_of_use = round == 1 || how != How::Loop;
            progress(&format!("two fib({BIG}), {}", how.name()));
            if is_of_use && let Some(delay) = node.delay(how, BIG)? {
                outcome.delay(how.name(), delay);
            }
        }
        progress(&format!("two fib({BIG}), ours"));
        outcome.delay(super::OURS, ours::delay(BIG));
        progress("small tasks");
        if let Some(per_second) = node.tasks(SMALL)? {
            outcome.tasks(node::PISCINA, per_second);
        }
        outcome.tasks(super::OURS, ours::tasks(SMALL));
        Ok(())
    })?;

    let clusters = contestants(&Contestant::CLUSTERS);
    rounds(1, |_, progress| {
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
