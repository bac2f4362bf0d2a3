//! Highwater on this machine: run a scenario, look at it, serve the page.
//!
//! | file | what it does |
//! |---|---|
//! | `cli` | the command line, and which command it names |
//! | `tour`, `run`, `list`, `serve`, `pipe` | one command each, and `cluster` in `serve`; both start this program again to serve |
//! | `platform` | the ports: this machine's clock and tokio's tasks |
//! | `processes` | the port for processes: this program again, as a child |
//! | `world`, `running`, `panic_report` | an experiment from its start to its end, or to its bug |
//! | `report`, `output` | what people and programs are shown |
//! | `logging` | the lines of a process that serves, which wait for nobody |
//! | `atomic_file`, `blocking` | files that are replaced as a whole; streams that somebody made non-blocking |
//! | `error`, `interrupt` | how commands end early |
//!
//! Results go to standard output, progress and logs to standard error. Exit
//! codes: 0 all is well, 1 a check or the run failed, 2 bad input,
//! 130 Ctrl-C (`serve` and `cluster`: 0 once they serve, and 130 at the second
//! one), 129 and 143 other requests to end, 141 nobody reads the output of `pipe`
//! any more.

mod atomic_file;
mod blocking;
mod cli;
mod compute;
mod error;
mod interrupt;
mod list;
mod logging;
mod output;
mod panic_report;
mod pipe;
mod platform;
mod processes;
mod report;
mod run;
mod run_thread;
mod serve;
mod tour;
mod world;

use clap::Parser;
use cli::{Cli, Command};
use error::Error;
use std::process::ExitCode;

fn main() -> ExitCode {
    panic_report::install_panic_hook();
    if let Some(code) = processes::run_as_child() {
        return code;
    }
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return cli::report_usage(&usage),
    };
    // One thread is enough: scenarios run on threads of their own, and the
    // server has little to do beside them.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let outcome = runtime
        .map_err(Error::Runtime)
        .and_then(|runtime| runtime.block_on(command(cli)));
    let code = outcome.unwrap_or_else(|error| {
        logging::styled(&format!("{}error:{:#} {error}", report::BAD, report::BAD));
        ExitCode::from(error.exit_code())
    });
    logging::flush();
    code
}

async fn command(cli: Cli) -> Result<ExitCode, Error> {
    match cli.command {
        // The server has its own way to end: it lets its clients go first.
        Some(Command::Serve(options)) => serve::serve(&options).await,
        Some(Command::Cluster(options)) => serve::cluster(&options).await,
        #[cfg(unix)]
        Some(Command::ServeWorker(options)) => serve::serve_as_worker(&options).await,
        Some(Command::List { json }) => list::list(json),
        Some(Command::Pipe(options)) => interrupt::unless_interrupted(pipe::pipe(&options)).await,
        Some(Command::Run(options)) => interrupt::unless_interrupted(run::run(&options)).await,
        None => interrupt::unless_interrupted(tour::tour()).await,
    }
}
