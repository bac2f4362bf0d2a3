//! The scenarios in simulated time, what each of them checks, and what can be set.

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
mod drawn;
mod errors;
mod errors_checks;
mod errors_processes;
mod errors_tally;
mod errors_taxonomy_checks;
mod figured;
mod forging;
mod observer;
mod params;
mod portable;
mod scaling;
mod simulated;
mod streams;
mod streams_checks;
mod tampered;
mod worker_slots;
