//! `cargo run -p tests`: installs the requirements of the test suites, runs the suites
//! and prints the results.
//!
//! There are four other commands: `replay` compares the behaviour of Highwater with
//! recordings of Node, `bench` compares its speed with its peers, `page` measures the
//! page against its budgets, and `screenshots` takes screenshots of the page.
//!
//! `suite` defines the suites and `setup` installs their requirements. `scheduler` runs
//! suites concurrently. `run` runs one command, shows or buffers its `output` and
//! counts its tests (`test_counts`). `process_group` kills all processes started by a
//! command. `table` prints the results. See `tests/README.md`.

mod bench;
mod million_users;
mod output;
mod page;
mod process_group;
mod replay;
mod run;
mod scheduler;
mod setup;
mod suite;
mod table;
mod test_counts;
mod workspace;

use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::bench::Bench;
use crate::replay::Replay;
use crate::setup::Requirement;
use crate::suite::{Suite, SuiteOptions};
use crate::table::{Row, Table};
use crate::test_counts::TestCounts;
use crate::workspace::Workspace;

/// The pseudo-suite that only installs requirements.
const SETUP: &str = "setup";

/// Installs the requirements of the test suites and runs the suites
#[derive(Parser)]
#[command(name = "tests", version, args_conflicts_with_subcommands = true)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,

    /// Suites to run [default: all]; `setup` only installs the requirements of all
    /// suites
    #[arg(value_name = "SUITE")]
    suites: Vec<String>,

    /// Make `deny` also check security advisories (needs the network)
    #[arg(long)]
    advisories: bool,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Replay scripts recorded in Node and compare the traces
    #[command(subcommand)]
    Replay(Replay),
    /// Compare the speed of Highwater with its peers
    #[command(subcommand)]
    Bench(Bench),
    /// Measure the page in Chrome against its budgets
    Page,
    /// Take screenshots of the home page and every scenario, in light and dark mode,
    /// narrow and wide
    Screenshots {
        /// Folder for the screenshots [default: target/screenshots]
        folder: Option<PathBuf>,
    },
}

fn main() -> ExitCode {
    let parsed = Arguments::command().after_help(help()).get_matches();
    let arguments = Arguments::from_arg_matches(&parsed).unwrap_or_else(|error| error.exit());
    match &arguments.command {
        Some(Command::Replay(replay)) => return replay.run(),
        Some(Command::Bench(bench)) => return bench.run(),
        Some(Command::Page) => return exit_code(page::measure()),
        Some(Command::Screenshots { folder }) => {
            return exit_code(page::screenshots(folder.as_deref()));
        }
        None => {}
    }
    let suites = match select_suites(&arguments.suites) {
        Ok(suites) => suites,
        Err(message) => {
            eprintln!("tests: {message}");
            return ExitCode::from(2);
        }
    };
    let options = SuiteOptions {
        advisories: arguments.advisories,
    };
    exit_code(run(&suites, options))
}

/// Returns exit code 0 if everything passed, otherwise 1.
fn exit_code(passed: Result<bool>) -> ExitCode {
    match passed {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("tests: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Returns the suites with these names: all suites for an empty list, none for `setup`
/// alone.
fn select_suites(names: &[String]) -> Result<Vec<Suite>, String> {
    if names.is_empty() {
        return Ok(Suite::ALL.to_vec());
    }
    let mut suites = Vec::new();
    for name in names {
        if name == SETUP {
            continue;
        }
        let suite = Suite::from_name(name).ok_or_else(|| {
            let available: Vec<_> = Suite::ALL.map(Suite::name).to_vec();
            format!(
                "unknown suite \"{name}\"; available: {SETUP}, {}",
                available.join(", ")
            )
        })?;
        if !suites.contains(&suite) {
            suites.push(suite);
        }
    }
    Ok(suites)
}

/// Runs the suites and prints the table. Returns whether everything passed.
fn run(suites: &[Suite], options: SuiteOptions) -> Result<bool> {
    let workspace = Workspace::new()?;
    process_group::kill_on_interrupt()?;
    let mut table = Table::default();

    let started = Instant::now();
    let requirements: Vec<Requirement> = if suites.is_empty() {
        Requirement::ALL.to_vec()
    } else {
        let is_required = |requirement: &Requirement| {
            suites
                .iter()
                .any(|suite| suite.requirements().contains(requirement))
        };
        Requirement::ALL.into_iter().filter(is_required).collect()
    };
    let errors = setup::install_missing(&workspace, &requirements)?;
    if !errors.is_empty() {
        for error in &errors {
            eprintln!("tests: error: {error:#}");
        }
        let failed = TestCounts {
            passed: 0,
            failed: errors.len(),
        };
        table.add(Row {
            suite: SETUP,
            counts: failed,
            elapsed: started.elapsed(),
            cpu_time: Duration::ZERO,
        });
        print!("{table}");
        return Ok(false);
    }
    if suites.is_empty() {
        println!("All requirements are installed. To run wasm-pack manually:");
        println!("export PATH=\"{}:$PATH\"", workspace.bin().display());
        return Ok(true);
    }

    let started = Instant::now();
    scheduler::run(&workspace, suites, options, &mut table);
    print!("\nin {:.1} s:\n{table}", started.elapsed().as_secs_f64());
    Ok(table.total().failed == 0)
}

fn help() -> String {
    let mut help = String::from("Suites:\n");
    let _ = writeln!(help, "  {SETUP:<8}only install the requirements");
    for suite in Suite::ALL {
        let _ = writeln!(help, "  {:<8}{}", suite.name(), suite.about());
    }
    help.push_str(
        "\nExamples:
  cargo run -p tests                        install the requirements and run all suites
  cargo run -p tests -- fmt clippy unit     the fast suites, before a commit
  cargo run -p tests -- setup               only install the requirements
  cargo run -p tests -- deny --advisories   also check security advisories
  node tests/node/record-events.mjs --seed 7 --count 10000 \\
    | cargo run --release -p tests -- replay events -
  node tests/node/record-streams.mjs --seed 7 --count 10000 \\
    | cargo run --release -p tests -- replay streams -
  cargo run --release -p tests -- bench events
  cargo run --release -p tests -- bench streams --size 1GiB
  cargo run --release -p tests -- bench errors
  cargo run --release -p tests -- bench scaling
  cargo run --release -p tests -- bench scaling --soak 1000000
  cargo run --release -p tests -- bench slow-clients
  cargo run --release -p tests -- bench survival
  cargo run --release -p tests -- bench simulation
  cargo run -p tests -- page                measure the page against its budgets
  cargo run -p tests -- screenshots         take screenshots of the page",
    );
    help
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn empty_selection_means_all_suites() {
        assert_eq!(select_suites(&[]).unwrap(), Suite::ALL);
        assert_eq!(select_suites(&["setup".into()]).unwrap(), []);
        let with_duplicates = ["unit".into(), "fmt".into(), "unit".into()];
        assert_eq!(
            select_suites(&with_duplicates).unwrap(),
            [Suite::Unit, Suite::Fmt]
        );
    }

    #[test]
    fn unknown_suite_error_lists_all_suites() {
        let message = select_suites(&["units".into()]).unwrap_err();
        assert!(message.contains("\"units\""));
        for name in ["setup", "fmt", "e2e"] {
            assert!(message.contains(name), "{message}");
        }
        assert_eq!(message.lines().count(), 1);
    }
}
