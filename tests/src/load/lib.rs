//! A load generator that records the outcome of every request.
//!
//! Benchmarks and cluster tests use it. It sends requests from one thread with several
//! kinds of clients: keep-alive clients, clients that open a connection for each
//! request, and clients that pause between requests, also with HTTP/2.
//!
//! In a closed loop, each client waits for its response before it sends the next
//! request. In an open loop, requests are due at a constant rate, and latency is
//! measured from the due time. A stall then affects the latency of every request that
//! was due during it, not only of one request per client.
//!
//! Requests are never retried, and the outcome of each is counted: see
//! [`Ledger::adds_up`]. Only HTTP/2 clients send a request again if the server has told
//! them that it has not received it.
//!
//! `builder` configures a load test and `running` runs it. A `client_task` sends the
//! requests of a `client` over a `connection` and parses each `response`, or uses `http2`. `arrivals` schedules the requests of
//! an open loop. `ledger` holds the results, with a `tally` for each kind of client.
//! `cluster` starts a server as a child process, reads its events and sends it signals. A
//! `kill` explains the failures that it caused.

mod arrivals;
mod builder;
mod client;
mod client_task;
pub mod cluster;
mod connection;
mod http2;
mod kill;
mod ledger;
mod response;
mod running;
mod tally;

pub use builder::Load;
pub use client::Client;
pub use kill::Kill;
pub use ledger::Ledger;
pub use running::RunningLoad;
pub use tally::{FailedRequest, Failure, Tally};
