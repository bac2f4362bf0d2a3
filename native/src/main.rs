//! The `highwater` program: runs scenarios on this machine and serves the page.
//!
//! | module | purpose |
//! |---|---|
//! | `cli` | the command line |
//! | `tour`, `run`, `list`, `pipe` | one command each; `compare` is `run --compare` |
//! | `serve` | the `serve` and `cluster` commands, on the crate `highwater-server` |
//! | `platform`, `compute` | platform ports for native runs: clock, tasks, thread pools |
//! | `processes` | the process port: starts this program as a child process |
//! | `world`, `run_thread`, `panic_report` | run an experiment until it completes or panics |
//! | `report`, `output`, `terminal` | reports, output files, and text on the terminal |
//! | `atomic_file`, `blocking` | atomic file replacement; blocking I/O on non-blocking descriptors |
//! | `error`, `interrupt` | errors and termination signals |
//!
//! Results go to standard output, progress and logs to standard error. Exit codes:
//! 0 success, 1 a check or the run failed, 2 bad input, 130 Ctrl-C (`serve` and `cluster`:
//! 0 after a graceful shutdown, 130 on a second Ctrl-C), 129 and 143 for SIGHUP and
//! SIGTERM, 141 if the reader of `pipe` closes standard output.

mod atomic_file;
mod blocking;
mod cli;
mod compare;
mod compute;
mod error;
mod interrupt;
mod list;
mod output;
mod panic_report;
mod pipe;
mod platform;
mod processes;
mod report;
mod run;
mod run_thread;
mod serve;
mod terminal;
mod tour;
mod world;

use clap::Parser;
use cli::{Cli, Command};
use error::Error;
use highwater_server::logging;
use std::process::ExitCode;
use terminal::BAD;

fn main() -> ExitCode {
    panic_report::install_panic_hook();
    if let Some(code) = processes::run_as_child() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return cli::report_usage(&error),
    };
    let outcome = match cli.command {
        // Servers create their own runtime and handle signals themselves.
        Some(Command::Serve(options)) => serve::serve(&options),
        Some(Command::Cluster(options)) => serve::cluster(&options),
        Some(Command::List { name, json }) => list::list(name.as_deref(), json),
        Some(Command::Pipe(options)) => run_until_signal(pipe::pipe(&options)),
        Some(Command::Run(options)) if options.compare => {
            run_until_signal(compare::compare(&options))
        }
        Some(Command::Run(options)) => run_until_signal(run::run(&options)),
        None => run_until_signal(tour::tour()),
    };
    let code = outcome.unwrap_or_else(|error| {
        terminal::log(&format!("{BAD}error:{BAD:#} {error}"));
        ExitCode::from(error.exit_code())
    });
    logging::flush();
    code
}

/// Runs a command in a runtime until it completes or a signal arrives. One thread is
/// enough: scenarios run on their own threads.
fn run_until_signal(
    command: impl Future<Output = Result<ExitCode, Error>>,
) -> Result<ExitCode, Error> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = runtime.map_err(Error::Runtime)?;
    runtime.block_on(interrupt::run_until_signal(command))
}
