//! `highwater cluster` under load, while all that can happen to it does. Run by
//! `cargo run -p tests -- cluster`, which builds the program first.
//!
//! `support` starts a cluster and asks it; each other module is a group of cases:
//! reloads, killed workers, bugs in a flood, workers that cannot start, a cluster that
//! is stopped and continued, shares of a burst, jobs, the end of all of it, clients that
//! misbehave, logs that nobody reads, and what it refuses to start with.

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
