//! A cluster under load and with faults. Run by `cargo run -p tests -- cluster`, which
//! builds two programs first and tests each of them.
//!
//! `program` names the program under test. `support` starts clusters and sends requests.
//! Each of the other modules contains the cases for one topic.

#[allow(
    dead_code,
    reason = "shared with the end-to-end cases, which use more of it"
)]
#[path = "../native.rs"]
mod native;
mod program;
mod support;

mod balance;
mod bugs;
mod clients;
mod deploy;
mod http_edges;
mod init;
mod jobs;
mod kills;
mod logs;
mod reloads;
mod shutdown;
mod start_failures;
mod startup_errors;
mod suspended;
