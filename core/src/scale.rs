//! More than one loop can do: CPU work off the loop, and processes that replace
//! each other.
//!
//! **Off the loop.** A [`Pool`] lets [CPU work](Job) through to threads, as much
//! as they can take, and turns the rest away with the time to come back. A
//! [`LagMonitor`] shows what it is for: how late the loop is for what is due.
//!
//! **Staying up although parts of oneself end or are replaced.** A [`Supervisor`]
//! decides who is started again, in which order, and when to give up; whoever drives it acts. It reads no clock
//! and starts nothing, so that the same one supervises processes, Workers and
//! simulated cores, and a test takes it through an hour in no time.

mod admission;
mod job;
mod lag;
mod pool;
mod supervisor;
mod ticket;
mod worker_id;

pub use job::{InvalidJob, Job};
pub use lag::LagMonitor;
pub use pool::{Pool, PoolLatencies, PoolOptions, PoolStats, QueueFull, Rejected, Work};
pub use supervisor::{Action, Escalation, Supervisor, SupervisorOptions};
pub use ticket::{Cancellation, Ticket, WorkError};
pub use worker_id::WorkerId;

// The port for threads lets jobs in as a pool does work.
#[cfg(feature = "compute")]
pub(crate) use admission::{AdmissionQueue, RunPermit, WhenFull, WorkOutcome};
#[cfg(feature = "compute")]
pub(crate) use ticket::Cancel;
