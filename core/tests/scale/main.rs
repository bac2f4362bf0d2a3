//! Tests of the module `scale`.

#[path = "../cases/mod.rs"]
mod cases;
mod driven;
mod lag;
mod pool;
mod pool_model;
mod pool_waits;
mod supervisor_availability;
mod supervisor_model;
mod supervisor_operations;
mod supervisor_restarts;
