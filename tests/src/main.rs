//! `cargo run -p tests`: installs what the suites need, runs them all, and says
//! what happened.
//!
//! Beside the suites there are `replay`, ours against what Node recorded, `bench`,
//! ours timed beside its peers, `page`, the page against its budgets, and
//! `screenshots`, what it looks like.
//!
//! `suite` says what there is to run, `setup` finds or installs what that needs,
//! `course` runs suites side by side, `run` a command, whose `output` is shown at
//! once or held back and whose tests are counted (`summary`), `group` ends what it
//! started, and `table` is the result.

mod bench;
mod course;
mod group;
mod output;
mod page;
mod replay;
mod run;
mod setup;
mod suite;
mod summary;
mod table;
mod workspace;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::bench::Bench;
use crate::replay::Replay;
use crate::setup::Need;
use crate::suite::{Suite, Wishes};
use crate::summary::Tally;
use crate::table::{Row, Table};
use crate::workspace::Workspace;

/// The word that asks for the installation only.
const SETUP: &str = "setup";

/// Sets up and runs the test suites; all of them unless some are named.
#[derive(Parser)]
#[command(name = "tests", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// The suites to run, or `setup` to install what they need and no more
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,

    /// Let `deny` check security advisories too (needs the network)
    #[arg(long)]
    advisories: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Do what Node recorded again, with ours, and compare
    #[command(subcommand)]
    Replay(Replay),
    /// Time ours and its peers side by side
    #[command(subcommand)]
    Bench(Bench),
    /// Measure the page in Chrome, against its budgets
    Page,
    /// Take pictures of the page: home and each scenario, light and dark, narrow
    /// and wide
    Screenshots {
        /// Where to [default: target/screenshots]
        folder: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let matches = Arguments::command().after_help(help()).get_matches();
    let arguments = Arguments::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    match &arguments.command {
        Some(Command::Replay(replay)) => return replay.run(),
        Some(Command::Bench(bench)) => return bench.run(),
        Some(Command::Page) => return code(page::measure()),
        Some(Command::Screenshots { folder }) => return code(page::screenshots(folder.as_deref())),
        None => {}
    }
    let suites = match chosen(&arguments.suites) {
        Ok(suites) => suites,
        Err(message) => {
            eprintln!("tests: {message}");
            return ExitCode::from(2);
        }
    };
    let wishes = Wishes {
        advisories: arguments.advisories,
    };
    code(run(&suites, wishes))
}

/// Zero if everything passed.
fn code(done: Result<bool>) -> ExitCode {
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tests: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The suites of these names: all for no name, none for `setup` alone.
fn chosen(names: &[String]) -> Result<Vec<Suite>, String> {
    if names.is_empty() {
        return Ok(Suite::ALL.to_vec());
    }
    let mut suites = Vec::new();
    for name in names {
        if name == SETUP {
            continue;
        }
        let suite = Suite::named(name).ok_or_else(|| {
            let known: Vec<_> = Suite::ALL.map(Suite::name).to_vec();
            format!(
                "there is no suite \"{name}\"; there are {SETUP}, {}",
                known.join(", ")
            )
        })?;
        if !suites.contains(&suite) {
            suites.push(suite);
        }
    }
    Ok(suites)
}

/// Returns whether everything passed.
fn run(suites: &[Suite], wishes: Wishes) -> Result<bool> {
    let workspace = Workspace::new()?;
    group::end_with_us()?;
    let mut table = Table::default();

    let started = Instant::now();
    let needs: Vec<Need> = if suites.is_empty() {
        Need::ALL.to_vec()
    } else {
        let needed = |need: &Need| suites.iter().any(|suite| suite.needs().contains(need));
        Need::ALL.into_iter().filter(needed).collect()
    };
    let missing = setup::ensure(&workspace, &needs)?;
    if !missing.is_empty() {
        for problem in &missing {
            eprintln!("tests: error: {problem:#}");
        }
        let failed = Tally {
            passed: 0,
            failed: missing.len(),
        };
        table.add(Row {
            suite: SETUP,
            tally: failed,
            took: started.elapsed(),
            busy: Duration::ZERO,
        });
        print!("{table}");
        return Ok(false);
    }
    if suites.is_empty() {
        println!("Everything is installed. To run wasm-pack by hand:");
        println!("export PATH=\"{}:$PATH\"", workspace.bin().display());
        return Ok(true);
    }

    let started = Instant::now();
    course::run(&workspace, suites, wishes, &mut table);
    print!("\nin {:.1} s:\n{table}", started.elapsed().as_secs_f64());
    Ok(table.total().failed == 0)
}

fn help() -> String {
    let mut help = String::from("Suites:\n");
    let _ = writeln!(help, "  {SETUP:<8}install what the suites need, and stop");
    for suite in Suite::ALL {
        let _ = writeln!(help, "  {:<8}{}", suite.name(), suite.about());
    }
    help.push_str(
        "\nExamples:
  cargo run -p tests                        install, and run everything
  cargo run -p tests -- fmt clippy unit     what to run before a commit
  cargo run -p tests -- setup               only install
  cargo run -p tests -- deny --advisories   with the advisory database
  node tests/node/record-events.mjs --seed 7 --count 10000 \\
    | cargo run --release -p tests -- replay events -
  node tests/node/record-streams.mjs --seed 7 --count 10000 \\
    | cargo run --release -p tests -- replay streams -
  cargo run --release -p tests -- bench events
  cargo run --release -p tests -- bench streams --size 1GiB
  cargo run --release -p tests -- bench errors
  cargo run --release -p tests -- bench scaling
  cargo run --release -p tests -- bench scaling --soak 1000000
  cargo run -p tests -- page                what the page weighs, and how quick it is
  cargo run -p tests -- screenshots         what it looks like",
    );
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_means_all_and_setup_means_none() {
        assert_eq!(chosen(&[]).unwrap(), Suite::ALL);
        assert_eq!(chosen(&["setup".into()]).unwrap(), []);
        let twice = ["unit".into(), "fmt".into(), "unit".into()];
        assert_eq!(chosen(&twice).unwrap(), [Suite::Unit, Suite::Fmt]);
    }

    #[test]
    fn an_unknown_suite_is_answered_with_the_known_ones() {
        let message = chosen(&["units".into()]).unwrap_err();
        assert!(message.contains("\"units\""));
        for name in ["setup", "fmt", "e2e"] {
            assert!(message.contains(name), "{message}");
        }
        assert_eq!(message.lines().count(), 1);
    }
}
