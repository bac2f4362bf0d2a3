//! Staying up although parts of oneself end or are replaced: who is started
//! again, in which order, and when to give up.
//!
//! A [`Supervisor`] decides; whoever drives it acts. It reads no clock and starts
//! nothing, so that the same one supervises processes, Workers and simulated
//! cores, and a test takes it through an hour in no time.

mod supervisor;

pub use supervisor::{Action, Supervisor, SupervisorOptions};
