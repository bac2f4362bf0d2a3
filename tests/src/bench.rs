//! The command `bench`: Highwater and its peers, measured in turn.

mod errors;
mod events;
mod outcome;
mod queue;
mod scaling;
mod streams;

use std::process::{Command, ExitCode, Stdio};

use bytesize::ByteSize;

const OURS: &str = "highwater";

/// The comparisons.
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
        /// Run only one half
        #[arg(long)]
        only: Option<streams::Half>,
    },
    /// Compare a server with the error layer and without, and time an error from `?` to
    /// the response and the log
    Errors {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
    },
    /// Compare `highwater cluster` with Node and its cluster, under load, kills and
    /// restarts, and the thread pool with worker threads and piscina
    Scaling {
        /// Print the figures as JSON
        #[arg(long)]
        json: bool,
        /// Instead, reload `highwater cluster` under load until this many requests were
        /// sent, and fail if any request fails
        #[arg(
            long,
            value_name = "REQUESTS",
            num_args = 0..=1,
            default_missing_value = "1000000",
            conflicts_with = "json"
        )]
        soak: Option<u64>,
    },
    /// Run one turn of an emitter, for `events`
    #[command(hide = true)]
    Turn(events::EmitterTurn),
}

impl Bench {
    /// Returns exit code 1 if a target is missed.
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
                "tests: warning: figures of a debug build are meaningless; use cargo run --release -p tests -- bench …"
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
        return Err("the size has to be at least 1MiB".to_owned());
    }
    Ok(size)
}

/// Runs all contestants in turn in each round, so that a disturbance of the machine affects
/// all of them. Prints each turn on standard error.
fn rounds(
    count: usize,
    mut turns: impl FnMut(usize, &dyn Fn(&str)) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    for round in 1..=count {
        turns(round, &|what| eprintln!("round {round} of {count}: {what}"))?;
    }
    Ok(())
}

/// Runs a program and returns its standard output, if it exists and succeeds.
fn stdout_of(command: &mut Command) -> Option<String> {
    let done = command.stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(done.stdout).ok()?;
    done.status.success().then(|| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn size_has_a_unit_and_a_minimum() {
        assert_eq!(size("1GiB"), Ok(ByteSize::gib(1)));
        assert_eq!(size("64 MiB"), Ok(ByteSize::mib(64)));
        assert!(size("1KiB").unwrap_err().contains("at least 1MiB"));
        assert!(size("much").is_err());
    }
}
