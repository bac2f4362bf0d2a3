//! `highwater cluster` under load and with faults. Run by `cargo run -p tests --
//! cluster`, which builds the program first.
//!
//! `support` starts a cluster and sends requests. The other modules are groups of cases:
//! reloads, deployments, killed workers, many bugs, failing starts, a suspended cluster,
//! balance, jobs, shutdown, misbehaving clients, stalled logs, service managers, and
//! startup errors.

#[allow(
    dead_code,
    reason = "shared with the cases of e2e, which need more of it"
)]
#[path = "../native.rs"]
mod native;
mod support;

mod balance;
mod bugs;
mod clients;
mod deploy;
mod init;
mod jobs;
mod kills;
mod logs;
mod reloads;
mod shutdown;
mod start_failures;
mod startup_errors;
mod suspended;
