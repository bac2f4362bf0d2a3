//! Scaling beyond one event loop: CPU work on other threads, and a supervised cluster
//! of processes.
//!
//! **Off the loop.** A [`Pool`] runs CPU work on a limited number of threads,
//! queues a bounded amount, and rejects the rest with a retry time. A [`LagMonitor`]
//! measures how late the event loop runs, which shows whether it needs a pool.
//!
//! **Surviving worker crashes and restarts.** A [`Supervisor`] decides which worker
//! to start, drain or kill, and when to give up. Its driver carries out these
//! actions. The supervisor reads no clock and starts nothing itself. The same code
//! therefore supervises processes, Web Workers and simulated cores, and a test can
//! simulate an hour in an instant.

mod admission;
mod lag;
mod oneshot;
mod pool;
mod supervisor;
mod ticket;
mod worker_id;

pub use lag::LagMonitor;
pub use pool::{Pool, PoolLatencies, PoolOptions, PoolStats, QueueFull, Rejected, Work};
pub use supervisor::{Action, Escalation, Supervisor, SupervisorOptions};
pub use ticket::{Cancellation, Ticket, WorkError};
pub use worker_id::WorkerId;

// The compute port admits jobs the same way.
#[cfg(feature = "compute")]
pub(crate) use admission::{AdmissionQueue, RunPermit, WhenFull, WorkOutcome};
#[cfg(feature = "compute")]
pub(crate) use oneshot::{Sender, oneshot};
#[cfg(feature = "compute")]
pub(crate) use ticket::Cancel;
