//! The command `bench`: compares the speed of Highwater and its peers.

mod errors;
mod events;
mod machine;
mod node;
mod outcome;
mod overload;
mod peer;
mod queue;
mod rounds;
mod scaling;
mod service;
mod simulation;
mod slow_clients;
mod statistics;
mod streams;
mod survival;
mod theory;

use std::process::ExitCode;

use bytesize::ByteSize;

/// Available comparisons.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// Compare emitters with Node's `EventEmitter`, eventemitter3 and a bare loop, and
    /// inboxes with async-channel
    Events {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare channels with those of tokio, async-channel, flume and kanal, and
    /// `highwater pipe` with Node's `pipeline`, gzip and pigz
    ///
    /// `highwater pipe` and the Node script sync their output to disk. gzip and pigz do
    /// not.
    Streams {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
        /// Size of the input file, at least 1MiB
        #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
        size: ByteSize,
        /// Measure only channels or only files
        #[arg(long)]
        only: Option<streams::Part>,
    },
    /// Compare a server with and without the error layer, and time an error from `?` to
    /// the response and the log entry
    Errors {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare `highwater-server` with bare hyper, nginx, Node's cluster and axum,
    /// clusters under load, kills and restarts, and the thread pool with worker threads
    /// and piscina
    Scaling {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
        /// Measure only one part
        #[arg(long)]
        only: Option<scaling::Part>,
        /// Run a soak test instead: reload a service on `highwater-server` under load, with
        /// HTTP/1.1 and HTTP/2, until this many requests were sent, and fail if any request
        /// fails
        #[arg(
            long,
            value_name = "REQUESTS",
            num_args = 0..=1,
            default_missing_value = "1000000",
            conflicts_with_all = ["json", "only"]
        )]
        soak: Option<u64>,
    },
    /// Compare simulated time with SimPy, and simulate a million users of a cluster
    /// natively and in Chrome
    Simulation {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
        /// Skip Chrome, which needs a build of the page
        #[arg(long)]
        native_only: bool,
    },
    /// Compare mean waits of native clusters with queueing theory; takes ten minutes
    Theory {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare the goodput and latency of highwater-server and axum beyond their
    /// capacity; takes three minutes
    Overload {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
    },
    /// Serve for a measurement; used by `overload`
    #[command(hide = true)]
    OverloadServer(overload::OverloadServer),
    /// Measure normal clients of a cluster while `slowhttptest` keeps 500 connections
    /// busy with slow heads, slow bodies and slow reads
    SlowClients {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
    },
    /// Run the example of `highwater-server` as a program of its own under load, through
    /// 20 reloads and 50 killed workers
    Survival {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
    },
    /// Serve; used by `scaling`
    #[command(hide = true)]
    Peer(peer::Peer),
    /// Measure one emitter once; used by `events`
    #[command(hide = true)]
    Turn(events::EmitterTurn),
}

impl Bench {
    /// Returns exit code 1 if a target is missed.
    pub(crate) fn run(&self) -> ExitCode {
        let (result, json) = match self {
            Bench::Events { json } => (events::run(), *json),
            Bench::Streams { json, size, only } => (streams::run(*size, *only), *json),
            Bench::Errors { json } => (errors::run(), *json),
            Bench::Scaling {
                soak: Some(requests),
                ..
            } => {
                return scaling::soak(*requests).unwrap_or_else(|error| report_failure(&error));
            }
            Bench::Scaling { json, only, .. } => (scaling::run(*only), *json),
            Bench::SlowClients { json } => (slow_clients::run(), *json),
            Bench::Survival { json } => (survival::run(), *json),
            Bench::Simulation { json, native_only } => (simulation::run(!native_only), *json),
            Bench::Theory { json } => (theory::run(), *json),
            Bench::Peer(peer) => {
                return match peer.run() {
                    Ok(()) => ExitCode::SUCCESS,
                    Err(error) => report_failure(&error),
                };
            }
            Bench::Overload { json } => (overload::run(), *json),
            Bench::OverloadServer(server) => return server.run(),
            Bench::Turn(turn) => {
                turn.run();
                return ExitCode::SUCCESS;
            }
        };
        if cfg!(debug_assertions) {
            eprintln!(
                "tests: warning: debug builds give meaningless results; use cargo run --release -p tests -- bench …"
            );
        }
        match result {
            Ok(outcome) => {
                if json {
                    println!("{}", outcome.json());
                } else {
                    print!("{outcome}");
                }
                ExitCode::from(u8::from(outcome.missed_target_count() > 0))
            }
            Err(error) => report_failure(&error),
        }
    }
}

fn report_failure(error: &anyhow::Error) -> ExitCode {
    eprintln!("tests: error: {error:#}");
    ExitCode::FAILURE
}

fn size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if size < ByteSize::mib(1) {
        return Err("the size must be at least 1MiB".to_owned());
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_requires_a_minimum() {
        assert_eq!(size("1GiB"), Ok(ByteSize::gib(1)));
        assert_eq!(size("64 MiB"), Ok(ByteSize::mib(64)));
        assert!(size("1KiB").unwrap_err().contains("at least 1MiB"));
        assert!(size("much").is_err());
    }
}
