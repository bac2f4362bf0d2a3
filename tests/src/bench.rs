//! `bench`: ours and its peers, side by side in one run.

mod errors;
mod events;
mod outcome;
mod queue;
mod scaling;
mod streams;

use std::process::{Command, ExitCode, Stdio};

use bytesize::ByteSize;

const OURS: &str = "highwater";

/// What to compare.
#[derive(clap::Subcommand)]
pub(crate) enum Bench {
    /// Emits, against Node's `EventEmitter`, eventemitter3 and a bare loop; and
    /// inboxes, against async-channel
    Events {
        /// Print the figures for programs
        #[arg(long)]
        json: bool,
    },
    /// Channels, against tokio's, async-channel, flume and kanal; and
    /// `highwater pipe`, against Node's `pipeline`, gzip and pigz
    Streams {
        /// Print the figures for programs
        #[arg(long)]
        json: bool,
        /// How much data the files are, at least 1MiB
        #[arg(long, value_name = "SIZE", default_value = "1GiB", value_parser = size)]
        size: ByteSize,
        /// Leave the other half out
        #[arg(long)]
        only: Option<streams::Half>,
    },
    /// A server with the layer for errors and without; and an error from `?` to
    /// what is sent and logged
    Errors {
        /// Print the figures for programs
        #[arg(long)]
        json: bool,
    },
    /// `highwater cluster`, against Node and its cluster, under load, kills and
    /// restarts; and work off the loop, against worker threads and piscina
    Scaling {
        /// Print the figures for programs
        #[arg(long)]
        json: bool,
        /// Instead, reload ours under load until so many requests were sent,
        /// and fail if one of them did
        #[arg(
            long,
            value_name = "REQUESTS",
            num_args = 0..=1,
            default_missing_value = "1000000",
            conflicts_with = "json"
        )]
        soak: Option<u64>,
    },
    /// What `events` runs for each turn of an emitter
    #[command(hide = true)]
    Turn(events::Turn),
}

impl Bench {
    /// Exit code 1 if a target is missed.
    pub(crate) fn run(&self) -> ExitCode {
        let (done, json) = match self {
            Bench::Events { json } => (events::run(), *json),
            Bench::Streams { json, size, only } => (streams::run(*size, *only), *json),
            Bench::Errors { json } => (errors::run(), *json),
            Bench::Scaling {
                soak: Some(requests),
                ..
            } => {
                return scaling::soak(*requests).unwrap_or_else(|error| failed(&error));
            }
            Bench::Scaling { json, soak: None } => (scaling::run(), *json),
            Bench::Turn(turn) => {
                turn.run();
                return ExitCode::SUCCESS;
            }
        };
        if cfg!(debug_assertions) {
            eprintln!(
                "tests: a debug build's figures mean nothing: cargo run --release -p tests -- bench …"
            );
        }
        match done {
            Ok(outcome) => {
                if json {
                    println!("{}", outcome.json());
                } else {
                    print!("{outcome}");
                }
                ExitCode::from(u8::from(outcome.misses() > 0))
            }
            Err(error) => failed(&error),
        }
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    eprintln!("tests: error: {error:#}");
    ExitCode::FAILURE
}

fn size(text: &str) -> Result<ByteSize, String> {
    let size: ByteSize = text.parse()?;
    if size < ByteSize::mib(1) {
        return Err("at least 1MiB is needed to tell anything".to_owned());
    }
    Ok(size)
}

/// Has every contestant take its turn in each round, so that a bad moment of
/// the machine hits all of them. Each turn is announced on standard error.
fn rounds(
    count: usize,
    mut turns: impl FnMut(usize, &dyn Fn(&str)) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for round in 1..=count {
        turns(round, &|what| eprintln!("round {round} of {count}: {what}"))?;
    }
    Ok(())
}

/// What a program prints, if it is there and content.
fn printed(command: &mut Command) -> Option<String> {
    let done = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    done.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_has_a_unit_and_is_worth_measuring() {
        assert_eq!(size("1GiB"), Ok(ByteSize::gib(1)));
        assert_eq!(size("64 MiB"), Ok(ByteSize::mib(64)));
        assert!(size("1KiB").unwrap_err().contains("at least 1MiB"));
        assert!(size("much").is_err());
    }
}
