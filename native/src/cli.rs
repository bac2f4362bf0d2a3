//! The command line.

use crate::{error::Error, pipe::Size, report::BAD, world::World};
use clap::{Args, Parser, Subcommand, error::ErrorKind};
use highwater::scenario::{self, Experiment};
use std::{net::SocketAddr, path::PathBuf, process::ExitCode};

/// Highwater: production patterns you can watch, run and build on.
///
/// Without a command: the tour. It runs two presets of every scenario in real
/// time and fails if a check does.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:
  native                                        the tour, about 20 s
  native list                                   what there is to run
  native run decoupling --set design=direct     one experiment, in real time
  native run decoupling --world virtual         the same in simulated time, at once
  native serve                                  the page: http://127.0.0.1:8080/
  native pipe server.log server.log.gz --gzip   a file through a pipeline

Exit codes: 0 all is well, 1 a check or the run failed, 2 bad input,
130 Ctrl-C (serve: 0 once the page is there)."
)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// One command.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the scenarios, their parameters and presets
    #[command(after_help = "Examples:
  native list
  native list --json")]
    List {
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Run one scenario and report what it showed
    #[command(after_help = "Examples:
  native run decoupling
  native run decoupling --set design=direct --set users=100 --set interval=20
  native run decoupling --world virtual --seed 7 --trace trace.json --plot latency.svg
  native run decoupling --json

A trace opens in https://ui.perfetto.dev; its bytes depend on nothing but the
experiment if the world is virtual.")]
    Run(RunOptions),
    /// Serve the page and its API; build the page first if need be
    #[command(after_help = "Examples:
  native serve
  native serve --addr 127.0.0.1:0        any free port
  native serve --no-build                the page as it was built last
  native serve --faults                  and then, for instance:
    curl -i -X POST http://127.0.0.1:8080/api/faults/bug

Two processes do it: one serves, the other starts it again when it has a bug.
Errors are problem+json, each with the id that its line on standard error has.")]
    Serve(ServeOptions),
    /// Serve with the socket of a supervisor
    #[cfg(unix)]
    #[command(hide = true)]
    ServeWorker(WorkerOptions),
    /// Stream a file through a pipeline: copy, change, compress
    #[command(after_help = "Examples:
  native pipe server.log copy.log
  native pipe server.log server.log.gz --gzip
  native pipe server.log.gz - --gunzip | sort
  native pipe - LOUD.txt --upper --high-water 64KiB < quiet.txt

It takes the same memory whatever the size. The output is there when it is
complete, or as it was before. A summary goes to standard error.

Exit codes: 0 all is well, 1 a stage failed, 2 bad input, 130 Ctrl-C,
141 nobody reads the output any more (as other filters report it).")]
    Pipe(PipeOptions),
}

/// What to stream, from where to where.
#[derive(Args, Debug)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a flag of the command line"
)]
pub(crate) struct PipeOptions {
    /// The file to read; - is standard input
    pub(crate) input: PathBuf,
    /// The file to write; - is standard output
    pub(crate) output: PathBuf,
    /// Make ASCII letters upper case
    #[arg(long)]
    pub(crate) upper: bool,
    /// Compress, at level 6 and on all cores
    #[arg(long, conflicts_with = "gunzip")]
    pub(crate) gzip: bool,
    /// Decompress
    #[arg(long)]
    pub(crate) gunzip: bool,
    /// How much may wait behind the input, in --gzip and before the output, each
    /// [default: 1MiB; with --gzip 1.5MiB for each core, up to 8MiB]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(crate) high_water: Option<Size>,
    /// Print the summary as one JSON object, to standard output unless that is
    /// the output
    #[arg(long)]
    pub(crate) json: bool,
}

/// What to run, where, and what to keep of it.
#[derive(Args, Debug)]
pub(crate) struct RunOptions {
    /// The scenario: see `native list`
    name: String,
    /// Set a parameter; the last one counts
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// The seed of every random draw [default: 1]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    seed: Option<String>,
    /// Where to run
    #[arg(long, value_enum, default_value_t = World::Native)]
    pub(crate) world: World,
    /// Write the trace, in the Chrome trace-event format
    #[arg(long, value_name = "FILE.json")]
    pub(crate) trace: Option<PathBuf>,
    /// Write a plot of every latency over time
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl RunOptions {
    /// The experiment these options name.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] and [`Error::NotAPair`].
    pub(crate) fn experiment(&self) -> Result<Experiment, Error> {
        let scenario = scenario::find(&self.name)?;
        let mut experiment = scenario.experiment();
        for pair in &self.sets {
            let Some((key, value)) = pair.split_once('=') else {
                let first = scenario.params.first();
                return Err(Error::NotAPair {
                    pair: pair.clone(),
                    example: first.map_or("seed=1".to_owned(), |param| {
                        format!("{}={}", param.key, param.default())
                    }),
                });
            };
            experiment.set(key.trim(), value)?;
        }
        if let Some(seed) = &self.seed {
            experiment.set("seed", seed)?;
        }
        Ok(experiment)
    }
}

/// Where to serve, and what.
#[derive(Args, Debug)]
pub(crate) struct ServeOptions {
    /// Where to listen
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8080")]
    addr: String,
    /// Serve the page as it was built last
    #[arg(long)]
    no_build: bool,
    /// Serve this folder as it is, in place of the page of this checkout
    #[arg(long, value_name = "DIR")]
    www: Option<PathBuf>,
    /// Serve POST /api/faults/bug as well, which is a bug: to see what becomes of
    /// it. Whoever can reach the server can then make it start again
    #[arg(long)]
    pub(crate) faults: bool,
}

/// What a supervisor tells the process that serves.
#[cfg(unix)]
#[derive(Args, Debug)]
pub(crate) struct WorkerOptions {
    /// The folder with the page; without one, the service of a cluster
    #[arg(long)]
    pub(crate) www: Option<PathBuf>,
    /// Whether bugs can be asked for
    #[arg(long)]
    pub(crate) faults: bool,
}

impl ServeOptions {
    /// Where to listen.
    ///
    /// # Errors
    ///
    /// [`Error::NotAnAddress`].
    pub(crate) fn addr(&self) -> Result<SocketAddr, Error> {
        let text = self.addr.trim();
        // The one name everybody types. Others would need a resolver, and
        // may mean several addresses.
        let numeric = match text.strip_prefix("localhost:") {
            Some(port) => format!("127.0.0.1:{port}"),
            None => text.to_owned(),
        };
        numeric
            .parse()
            .map_err(|_| Error::NotAnAddress(text.to_owned()))
    }

    /// The folder with the page, and whether it is to be built first.
    pub(crate) fn www(&self) -> (PathBuf, bool) {
        match &self.www {
            Some(folder) => (folder.clone(), false),
            None => (crate::serve::checkout().join("www"), !self.no_build),
        }
    }
}

/// Shows help, or says in one line what is wrong with the command line.
pub(crate) fn explain(usage: &clap::Error) -> ExitCode {
    if usage.use_stderr() {
        let line = one_line(&usage.to_string());
        let right = match usage.kind() {
            ErrorKind::InvalidSubcommand => "the commands are list, run, serve and pipe",
            _ => "--help shows what can be",
        };
        anstream::eprintln!("{BAD}error:{BAD:#} {line}; {right}");
        return ExitCode::from(2);
    }
    // Help and version. Nobody is left to be told if it cannot be printed.
    let _ = usage.print();
    ExitCode::SUCCESS
}

/// Clap's message without the paragraphs behind it: tips stay, usage goes.
fn one_line(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let told = message.split("\n\n").take_while(|paragraph| {
        !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information")
    });
    let lines: Vec<String> = told
        .map(|paragraph| {
            let words: Vec<&str> = paragraph.split_whitespace().collect();
            words.join(" ")
        })
        .collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_definition_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_last_of_several_values_counts() {
        let options = run(&[
            "--set", "users=3", "--set", "users=5", "--set", "seed=2", "--seed", "9",
        ]);
        let experiment = options.experiment().unwrap();
        assert_eq!(experiment.params().integer("users"), 5);
        assert_eq!(experiment.seed(), 9);
    }

    #[test]
    fn a_set_without_a_value_is_told_what_to_look_like() {
        let error = run(&["--set", "users"]).experiment().unwrap_err();
        assert_eq!(
            error.to_string(),
            "--set takes key=value, not \"users\": for example --set design=events"
        );
    }

    #[test]
    fn usage_errors_fit_in_a_line() {
        let error = Cli::try_parse_from(["native", "run", "--sed", "1", "decoupling"]).unwrap_err();
        let line = one_line(&error.to_string());
        assert!(
            line.starts_with("unexpected argument '--sed' found; tip:"),
            "{line}"
        );
        assert!(!line.contains('\n'), "{line}");
    }

    fn run(arguments: &[&str]) -> RunOptions {
        let all = ["native", "run", "decoupling"].iter().chain(arguments);
        match Cli::try_parse_from(all).unwrap().command {
            Some(Command::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }
}
