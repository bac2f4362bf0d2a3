//! The `highwater` program: runs scenarios on this machine and serves the page.
//!
//! | module | purpose |
//! |---|---|
//! | `cli` | the command line |
//! | `tour`, `run`, `list`, `pipe` | one command each; `compare` is `run --compare` |
//! | `serve` | the `serve` and `cluster` commands, and their worker processes |
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
    // One thread is enough: scenarios run on their own threads, and each server process
    // does little work.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(Error::Runtime)
        .and_then(|runtime| runtime.block_on(command(cli)));
    let code = outcome.unwrap_or_else(|error| {
        terminal::log(&format!("{BAD}error:{BAD:#} {error}"));
        ExitCode::from(error.exit_code())
    });
    logging::flush();
    code
}

async fn command(cli: Cli) -> Result<ExitCode, Error> {
    match cli.command {
        // Servers handle signals themselves, because they drain first.
        Some(Command::Serve(options)) => serve::serve(&options).await,
        Some(Command::Cluster(options)) => serve::cluster(&options).await,
        #[cfg(unix)]
        Some(Command::ServeWorker(options)) => serve::serve_as_worker(&options).await,
        Some(Command::List { name, json }) => list::list(name.as_deref(), json),
        Some(Command::Pipe(options)) => interrupt::run_until_signal(pipe::pipe(&options)).await,
        Some(Command::Run(options)) if options.compare => {
            interrupt::run_until_signal(compare::compare(&options)).await
        }
        Some(Command::Run(options)) => interrupt::run_until_signal(run::run(&options)).await,
        None => interrupt::run_until_signal(tour::tour()).await,
    }
}
