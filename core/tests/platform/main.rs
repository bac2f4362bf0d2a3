//! Tests of the module `platform`: the simulated world with its time, threads and
//! processes, and jobs.

#[cfg(feature = "compute")]
#[path = "../cases/mod.rs"]
mod cases;
#[cfg(feature = "compute")]
mod compute;
#[cfg(feature = "compute")]
#[path = "../computing/mod.rs"]
mod computing;
#[cfg(feature = "compute")]
mod jobs;
mod processes;
mod processes_model;
mod virtual_time;
#[path = "../worlds/mod.rs"]
mod worlds;
