//! The command line.

mod serving;

#[cfg(unix)]
pub(crate) use serving::WorkerOptions;
pub(crate) use serving::{ClusterOptions, MOST_WORKERS, ServeOptions};

use crate::{error::Error, pipe::Size, report::BAD, world::World};
use clap::{
    Args, Parser, Subcommand,
    builder::{PossibleValuesParser, TypedValueParser},
    error::ErrorKind,
};
use highwater::{
    analysis::Metric,
    scenario::{self, Experiment},
};
use std::{path::PathBuf, process::ExitCode};

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
  native cluster --workers 4                    a service of 4 processes, for load
  native pipe server.log server.log.gz --gzip   a file through a pipeline

Exit codes: 0 all is well, 1 a check or the run failed, 2 bad input,
130 Ctrl-C (serve and cluster: 0 once they serve)."
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
  native run decoupling --world virtual --seed 7 --trace trace.json --plot run.svg
  native run backpressure --set heed=ignore --plot memory.svg --metric bytes
  native run decoupling --set email_latency@1500=400    slower after 1.5 s
  native run decoupling --json

A trace opens in https://ui.perfetto.dev; its bytes depend on nothing but the
experiment if the world is virtual.")]
    Run(RunOptions),
    /// Serve the page and its API; build the page first if need be
    #[command(after_help = "Examples:
  native serve
  native serve --addr 127.0.0.1:0        any free port
  native serve --no-build                the page as it was built last
  native serve --workers 4               with four workers
  native serve --allow-host page.test    and answer for http://page.test:8080/ too
  native serve --faults                  and then, for instance:
    curl -i -X POST http://127.0.0.1:8080/api/faults/bug

The API: GET /api/scenarios, and POST /api/runs, whose answer is the run while it
happens (server-sent events: trace, again and again, then end), by the process that
x-worker names. Whoever hangs up ends it.
    curl -N http://127.0.0.1:8080/api/runs -H 'Content-Type: application/json' \
      -d '{\"scenario\": \"cluster\", \"params\": {\"requests\": 50}, \"seed\": 1}'
\"records\": \"packed\" has the records as 64-bit words, little-endian, in base64, and
the run's time every 50 ms, in place of an object a record.

Workers serve; a supervisor starts them again when they have a bug, crash or hang.
Errors are problem+json, each with the id that its line on standard error has; of
lines that are repeated one a second is written, unless with --log-level debug.
Signals and exit codes are those of native cluster: see its --help.")]
    Serve(ServeOptions),
    /// Serve a small service with several workers, to put load on
    #[command(after_help = "Examples:
  native cluster                         a worker for each core, any free port
  native cluster --addr 127.0.0.1:8081 --workers 2, and then, for instance:
    wrk -t2 -c64 -d10 http://127.0.0.1:8081/
    curl -i 'http://127.0.0.1:8081/work?job=fib:27'
    kill -HUP $(pgrep -of 'native cluster')
  native cluster --json | jq -c .        what happens, for programs
  native cluster --addr 127.0.0.1:8081 --faults, and then, for instance:
    curl -i -X POST http://127.0.0.1:8081/faults/hang

Addresses: / answers at once and says in x-worker which process did, /work computes
a job off the loop, /healthz and /readyz say how it is, /metrics (Prometheus) is of
all workers together.

Signals, for the process that was started:
  HUP          rolling reload: each worker is replaced by a new one of the program that
               its path, or its name in PATH, leads to now. The log names the file and
               the version. If a new worker cannot be started or does not get ready,
               the reload is aborted and the old workers keep serving. No request is
               lost, except by clients that keep a connection open and idle for more
               than 1 s and use it just when it is closed
  TERM, INT    graceful shutdown: what is under way is finished, within 8 s (serve:
               2 s). A second one: at once
  TTIN, TTOU   one worker more, one fewer

A worker that ends, or gives no sign of life for 5 s, is replaced at once. A worker
that had a bug serves until its replacement is ready. If replacements of one worker do
not last a second, the next ones start after pauses: 100 ms, doubling up to 10 s (after
bugs: 1 s). The others serve on, and while none is ready nobody waits that could start.
A worker that cannot be started is tried again and again, /readyz says \"degraded\", and
/metrics counts it. When no worker was ready for 30 s (--give-up-after), it gives up.

The log is on standard error. A reader that stalls holds up nothing: lines that it has
no room for are dropped, counted in /metrics, and reported once it reads again.

systemd: Type=notify-reload, and a socket unit if you like, which has the say then in
place of --addr.

Exit codes: 0 it was asked to end, 1 it gave up or cannot listen, 2 bad input, 130 or
143 it was asked to end twice.")]
    Cluster(ClusterOptions),
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

It takes the same memory whatever the size. A summary goes to standard error.

An output file is written beside its place and put there when it is complete and on
the disk; if the run fails, all is as it was before. A file that is replaced keeps its
permissions, owner, access list and extended attributes. A new one gets the input's
permissions, as with gzip and cp -p, and those that the umask leaves if the input is no
file. Links are followed. What cannot be replaced without a loss (a mount point, one of
several hard links, a file in a folder that is not writable) needs --in-place.

--gzip makes one gzip member, which every reader takes. --gunzip takes any number of
them, and zeros behind the last. If something else follows, or the last one is cut, it
fails: standard output has had all before that, an output file is not made.

Exit codes: 0 all is well, 1 a stage failed, 2 bad input, 130 Ctrl-C (129, 131, 143,
152: other signals), 141 nobody reads the output any more (as other filters report it).")]
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
    /// With --gzip: compress each 512KiB to a member of its own. That is quicker, the
    /// output up to 5 % larger, and only its first 512KiB are read by browsers,
    /// curl --compressed and Python's zlib, some of them without an error
    #[arg(long, requires = "gzip")]
    pub(crate) members: bool,
    /// Overwrite an output that exists instead of replacing it when the new one is
    /// complete: for a file that cannot be replaced. If the run fails, it is
    /// incomplete
    #[arg(long)]
    pub(crate) in_place: bool,
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
    /// Set a parameter; the last one counts. KEY@MS=VALUE changes it in the midst of
    /// the run, if it is live: see `native list`
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
    /// Write every record as a line of comma-separated values
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) csv: Option<PathBuf>,
    /// Plot every metric that the run has over time
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Plot this one only
    #[arg(long, value_name = "NAME", requires = "plot", value_parser = metric())]
    pub(crate) metric: Option<Metric>,
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

/// Metrics by their names.
fn metric() -> impl TypedValueParser<Value = Metric> {
    let names = Metric::ALL.map(Metric::name);
    // It takes no other names.
    PossibleValuesParser::new(names).map(|name| Metric::named(&name).unwrap_or(Metric::Latency))
}

/// Shows help, or says in one line what is wrong with the command line.
pub(crate) fn explain(usage: &clap::Error) -> ExitCode {
    if usage.use_stderr() {
        let line = one_line(&usage.to_string());
        let right = match usage.kind() {
            ErrorKind::InvalidSubcommand => "the commands are list, run, serve, cluster and pipe",
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
