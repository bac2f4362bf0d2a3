//! Goodput and latency beyond the capacity of a server.

mod client;
mod outcome;
mod server;

use anyhow::Result;

use super::outcome::Outcome;
use super::rounds::run_rounds;
use client::Onset;
use outcome::{OverloadOutcome, OverloadRow};
pub(super) use server::OverloadServer;
use server::{Framework, Service};

/// The offered loads, in multiples of the capacity.
const LOADS: [f64; 5] = [0.5, 1.0, 2.0, 5.0, 10.0];

pub(super) fn run() -> Result<Box<dyn Outcome>> {
    client::pin_to_last_core();
    let mut outcome = OverloadOutcome::default();
    run_rounds(1, |_, progress| {
        for service in Service::ALL {
            progress(&format!("{}: capacity", service.name()));
            let server = server::start(Framework::Axum, service)?;
            let capacity = client::measure_capacity(server.addr());
            drop(server);
            outcome.capacities.push((service, capacity));
            for framework in Framework::ALL {
                for load in LOADS {
                    progress(&format!(
                        "{}: {load} × capacity, {}",
                        service.name(),
                        framework.name()
                    ));
                    let server = server::start(framework, service)?;
                    let Onset { onset, steady } = client::measure(server.addr(), load * capacity);
                    outcome.rows.push(OverloadRow {
                        service,
                        framework,
                        load,
                        onset,
                        steady,
                    });
                }
            }
        }
        Ok(())
    })?;
    Ok(Box::new(outcome))
}
