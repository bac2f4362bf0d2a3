//! A generator of load, and a ledger with what became of every request.
//!
//! The benchmarks and the cases about a cluster share it. It drives a server over
//! HTTP/1.1 from one thread, with clients of three kinds: who asks again at once
//! on the same connection, who opens a new one each time, and who thinks in
//! between. In a closed loop each client waits for its answer before it goes on;
//! in an open one requests are due at a fixed rate, whatever the answers do, and
//! each latency counts from the moment its request was due. A server that stalls
//! is then charged for all that it kept waiting, and not for one request a client.
//!
//! Nothing is tried again, and nothing is forgotten: [`Ledger::adds_up`].
//!
//! `plan` is what is asked for and `running` a load on its way; `client` is one
//! client, `connection` and `answer` are what it speaks, `arrivals` is the open
//! loop, and `ledger` with its `tally`s is the result. `cluster` is what the load
//! is for: a server with workers, as a process that one can do things to.

mod answer;
mod arrivals;
mod client;
pub mod cluster;
mod connection;
mod ledger;
mod plan;
mod running;
mod tally;

pub use client::Client;
pub use ledger::Ledger;
pub use plan::Load;
pub use running::RunningLoad;
pub use tally::{FailedRequest, Failure, Tally};
