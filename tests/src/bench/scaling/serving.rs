//! The comparison of `highwater-server` with other servers that send the same bytes.

mod client;
mod contestants;
mod outcome;
mod process;

use std::net::SocketAddr;

use anyhow::{Context as _, Result, ensure};

use super::super::rounds::run_rounds;
use super::http;
use crate::workspace::Workspace;
use client::{IdleConnections, PATH, fingerprint, median_latency};
use contestants::{Contestants, IDLE_CONNECTIONS, Server};
use outcome::ROUNDS;
use process::{cpu_time, memory};

pub(super) use outcome::ServingOutcome;

pub(super) fn run(workspace: &Workspace) -> Result<ServingOutcome> {
    let contestants = Contestants::prepare(workspace)?;
    let servers = contestants.available();
    let mut outcome = ServingOutcome::new(workspace);
    measure_speed(workspace, &contestants, &servers, &mut outcome)?;
    measure_start_and_memory(workspace, &contestants, &servers, &mut outcome)?;
    Ok(outcome)
}

/// Measures request rates and latencies. All servers are running, and idle except one.
fn measure_speed(
    workspace: &Workspace,
    contestants: &Contestants,
    servers: &[Server],
    outcome: &mut ServingOutcome,
) -> Result<()> {
    let mut running = Vec::new();
    for server in servers {
        running.push((*server, contestants.start(*server)?));
    }
    ensure_same_responses(running.iter().map(|(it, process)| (*it, process.addr())))?;
    run_rounds(ROUNDS, |round, progress| {
        for (server, process) in &running {
            progress(&format!("serving, {}", server.name()));
            if round == 1 {
                http::measure(workspace, process.addr(), PATH)?;
            }
            let workers = process.workers();
            let before = cpu_time(&workers);
            let result = http::measure(workspace, process.addr(), PATH)?;
            let cpu_time = cpu_time(&workers).saturating_sub(before);
            outcome.rate(*server, result.per_second);
            outcome.cpu_time(*server, cpu_time.as_secs_f64() / result.answered());
            outcome.latency(*server, median_latency(process.addr())?);
        }
        Ok(())
    })
}

fn ensure_same_responses(servers: impl Iterator<Item = (Server, SocketAddr)>) -> Result<()> {
    let mut first: Option<(Server, Vec<String>)> = None;
    for (server, addr) in servers {
        let response = fingerprint(addr)?;
        let (known, expected) = first.get_or_insert_with(|| (server, response.clone()));
        ensure!(
            response == *expected,
            "{} sends {response:?}, but {} sends {expected:?}",
            server.name(),
            known.name(),
        );
    }
    Ok(())
}

/// Measures one server at a time, so that no two processes share their program's memory.
fn measure_start_and_memory(
    workspace: &Workspace,
    contestants: &Contestants,
    servers: &[Server],
    outcome: &mut ServingOutcome,
) -> Result<()> {
    run_rounds(ROUNDS, |round, progress| {
        for server in servers {
            progress(&format!("start, {}", server.name()));
            let process = contestants.start(*server)?;
            outcome.start(*server, process.start_time());
            if round < ROUNDS {
                continue;
            }
            progress(&format!("memory, {}", server.name()));
            http::measure(workspace, process.addr(), PATH)?;
            let workers = process.workers();
            let before = memory(&workers).context("cannot read the memory of a worker")?;
            let count = u32::try_from(workers.len())?;
            outcome.worker_memory(*server, before / f64::from(count));
            let idle = IdleConnections::open(process.addr(), IDLE_CONNECTIONS)?;
            let after = memory(&workers).context("a worker has exited")?;
            outcome.idle_memory(*server, after - before);
            drop(idle);
        }
        Ok(())
    })
}
