//! The simulated world: time, threads and processes.

mod compute;
#[path = "../computing/mod.rs"]
mod computing;
mod processes;
mod processes_model;
mod virtual_time;
#[path = "../worlds/mod.rs"]
mod worlds;
