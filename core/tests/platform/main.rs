//! The simulated world: time, threads and processes.

#[cfg(feature = "compute")]
mod compute;
#[cfg(feature = "compute")]
#[path = "../computing/mod.rs"]
mod computing;
#[cfg(feature = "processes")]
mod processes;
#[cfg(feature = "processes")]
mod processes_model;
mod virtual_time;
#[cfg(feature = "processes")]
#[path = "../worlds/mod.rs"]
mod worlds;
