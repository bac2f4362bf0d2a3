//! The layer of errors around a service of tower's.

mod answers;
mod bodies;
mod bugs;
#[path = "../cases/mod.rs"]
mod cases;
mod layered;
