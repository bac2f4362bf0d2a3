//! Scenarios in simulated time: their checks, parameters and narration.

#[path = "../cases/mod.rs"]
mod cases;
mod changes;
mod cluster;
mod cluster_checks;
mod cluster_users;
#[path = "../common/mod.rs"]
mod common;
mod decoupling;
mod decoupling_checks;
mod decoupling_invariants;
mod errors;
mod errors_checks;
mod errors_processes;
mod errors_tally;
mod errors_taxonomy_checks;
mod observer;
mod params;
mod scaling;
mod strategies;
mod streams;
mod streams_checks;
mod support;
mod trace_edits;
mod worker_slots;
mod workloads;
