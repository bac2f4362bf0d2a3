//! A load generator for HTTP/1.1, with a ledger of every request's outcome.
//!
//! The benchmarks and the cluster tests share it. It drives a server from one thread with
//! clients of three kinds: keep-alive clients, clients that open a connection for each
//! request, and clients that pause between requests.
//!
//! In a closed loop, each client waits for its response before it sends the next request.
//! In an open loop, requests are due at a fixed rate, and each latency counts from the
//! time its request was due. A stalled server is then charged for every request that was
//! due during the stall, and not only for one request per client.
//!
//! Requests are not retried, and the outcome of each is counted: see [`Ledger::adds_up`].
//!
//! `builder` configures a load and `running` runs it. `client` is one client, which sends
//! over a `connection` and parses each `response`. `arrivals` is the clock of the open
//! loop. `ledger` holds the result, with a `tally` for each kind of client. `cluster`
//! starts a server as a child process, reads its events and sends it signals.

mod arrivals;
mod builder;
mod client;
pub mod cluster;
mod connection;
mod ledger;
mod response;
mod running;
mod tally;

pub use builder::Load;
pub use client::Client;
pub use ledger::Ledger;
pub use running::RunningLoad;
pub use tally::{FailedRequest, Failure, Tally};
