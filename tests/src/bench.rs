//! `bench`: ours and its peers, side by side in one run.

mod emitters;
mod inboxes;
mod node;
mod outcome;

use std::io::{self, IsTerminal as _};
use std::process::ExitCode;

use outcome::{CACHED, OURS, Outcome};

use crate::workspace::Workspace;

/// How often each contestant has its turn. The best turn counts: whatever else
/// the machine does only ever takes time away.
const ROUNDS: usize = 7;

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
}

impl Bench {
    /// Exit code 1 if a target is missed.
    pub(crate) fn run(&self) -> ExitCode {
        let Bench::Events { json } = self;
        if cfg!(debug_assertions) {
            eprintln!(
                "tests: a debug build's figures mean nothing: cargo run --release -p tests -- bench events"
            );
        }
        match events() {
            Ok(outcome) => {
                if *json {
                    println!("{}", outcome.json());
                } else {
                    print!("{outcome}");
                }
                ExitCode::from(u8::from(outcome.misses() > 0))
            }
            Err(error) => {
                eprintln!("tests: error: {error:#}");
                ExitCode::FAILURE
            }
        }
    }
}

fn events() -> anyhow::Result<Outcome> {
    let node = node::Node::find(&Workspace::new()?);
    let mut outcome = Outcome::new(node.versions());
    // In turn, so that a bad moment of the machine hits all of them.
    for round in 1..=ROUNDS {
        for listeners in emitters::LISTENERS {
            progress(round, &format!("emits to {listeners}"));
            outcome.emit("bare loop", listeners, emitters::bare_loop(listeners));
            outcome.emit(OURS, listeners, emitters::highwater(listeners));
            let cached = emitters::highwater_cached(listeners);
            outcome.emit(CACHED, listeners, cached);
            for (name, nanoseconds) in node.emits(listeners)? {
                outcome.emit(name, listeners, nanoseconds);
            }
        }
        progress(round, "inboxes");
        for setting in inboxes::Setting::ALL {
            outcome.inbox(OURS, setting, inboxes::highwater(setting));
            outcome.inbox("async-channel", setting, inboxes::async_channel(setting));
        }
    }
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[K");
    }
    Ok(outcome)
}

fn progress(round: usize, what: &str) {
    if io::stderr().is_terminal() {
        eprint!("\r\x1b[Kround {round} of {ROUNDS}: {what}");
    }
}
