//! The command line: commands, options, help and usage errors.

mod serve_options;

pub(crate) use serve_options::{ClusterOptions, ServeOptions};

use crate::{error::Error, pipe::Size, terminal::BAD, world::World};
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
/// Without a command, runs the tour: two presets of every scenario, in real time.
/// The exit code is 1 if a check fails.
#[derive(Debug, Parser)]
#[command(
    name = "highwater",
    version,
    after_help = "Examples:
  highwater                                        the tour, about 30 s
  highwater list                                   scenarios, parameters, presets
  highwater run decoupling --set design=direct     one experiment in real time
  highwater run decoupling --world virtual         the same in simulated time
  highwater serve                                  the page: http://127.0.0.1:8080/
  highwater cluster --workers 4                    a 4-process service for load tests
  highwater pipe server.log server.log.gz --gzip   compress a file

In a checkout: cargo run -p native -- serve

Exit codes: 0 success, 1 a check or the run failed, 2 bad input,
130 Ctrl-C (serve and cluster: 0 after a graceful shutdown)."
)]
pub(crate) struct Cli {
    /// The command, or none for the tour.
    #[command(subcommand)]
    pub(crate) command: Option<Command>,
}

/// A command with its options.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// List the scenarios, or one of them, with their parameters and presets
    #[command(after_help = "Examples:
  highwater list
  highwater list cluster
  highwater list --json")]
    List {
        /// Only this scenario [default: all]
        name: Option<String>,
        /// Print one JSON object
        #[arg(long)]
        json: bool,
    },
    /// Run one scenario and report its results
    #[command(after_help = "Examples:
  highwater run decoupling
  highwater run decoupling --set design=direct --set users=100 --set interval=20
  highwater run decoupling --world virtual --seed 7 --trace trace.json --plot run.svg
  highwater run backpressure --set heed=ignore --plot memory.svg --metric bytes
  highwater run decoupling --set email_latency@1500=400    slower after 1.5 s
  highwater run decoupling --compare --plot both.svg       simulated and native, side by side
  highwater run cluster --compare --set event=none --set workers=1 --set requests=3000
      --set interval=10 --set work=5                       beside queueing theory
  highwater run decoupling --json

Open a trace in https://ui.perfetto.dev. In the virtual world, the same experiment
always writes the same bytes.")]
    Run(RunOptions),
    /// Serve the page and its API; build the page first if it is missing or stale
    #[command(after_help = "Examples:
  highwater serve
  highwater serve --addr 127.0.0.1:0        on any free port
  highwater serve --no-build                serve the page from the last build
  highwater serve --workers 4               with four workers
  highwater serve --allow-host page.test    also accept http://page.test:8080/
  highwater serve --faults                  then trigger a bug:
    curl -i -X POST http://127.0.0.1:8080/api/faults/bug

In a checkout: cargo run -p native -- serve

API: GET /api/scenarios lists the scenarios. POST /api/runs starts a run and streams it
as server-sent events: trace events, then one end event. The x-worker header is the pid
of the process that runs it. Closing the connection stops the run.
    curl -N http://127.0.0.1:8080/api/runs -H 'Content-Type: application/json' \\
      -d '{\"scenario\": \"cluster\", \"params\": {\"requests\": 50}, \"seed\": 1}'
With \"records\": \"packed\", records are little-endian 64-bit words in base64 instead of
JSON objects, and the elapsed time is sent every 50 ms.

A supervisor restarts workers that hit a bug, crash or hang. Errors are problem+json
documents that carry the id of the log entry on standard error. Repeated log entries are
sampled, one per second, except with --log-level debug. For signals and exit codes, see
highwater cluster --help.")]
    Serve(ServeOptions),
    /// Run a small HTTP service with several workers, as a target for load tests
    #[command(after_help = "Examples:
  highwater cluster                         one worker per core, any free port
  highwater cluster --json | jq -c .        events as JSON
  highwater cluster --addr 127.0.0.1:8081 --workers 2    then, in another terminal:
    wrk -t2 -c64 -d10 http://127.0.0.1:8081/
    curl -i 'http://127.0.0.1:8081/work?job=fib:27'
    kill -HUP $(pgrep -of 'highwater cluster')
  highwater cluster --addr 127.0.0.1:8081 --faults       then, in another terminal:
    curl -i -X POST http://127.0.0.1:8081/faults/hang

In a checkout: cargo run --release -p native -- cluster

Routes:
  /                    responds immediately; the x-worker header is the pid
  /work                runs a job off the event loop
  /healthz, /readyz    liveness and readiness
  /metrics             Prometheus metrics, merged from all workers

Signals, sent to the supervisor (the process you started):
  HUP          Rolling reload: replace the workers one at a time. The program file is
               resolved again, by its path or in PATH; the log shows the file and its
               version. If a new worker fails to start or to become ready, the reload is
               aborted and the old workers keep serving. No request is lost, unless a
               client reuses a connection that was idle for more than 1 s just as the
               worker closes it
  TERM, INT    Graceful shutdown: requests in flight have 8 s to finish (serve: 2 s).
               A second signal exits at once
  TTIN, TTOU   Add or remove one worker

A worker that exits, or sends no heartbeat for 5 s, is replaced at once. A worker that
hit a bug serves until its replacement is ready. If a replacement exits within a second,
the next one is delayed: by 100 ms, doubling up to 10 s (after bugs: up to 1 s). Delays
apply per slot. While no worker is ready, only slots whose workers fail to start are
delayed. Such slots are retried, /readyz reports \"degraded\", and /metrics counts them.
After 30 s without a ready worker (--give-up-after), the supervisor exits.

Logs go to standard error. A stalled log reader does not block the service: entries that
do not fit in the queue are dropped, counted in /metrics, and reported once the reader
resumes.

systemd: use Type=notify-reload. A socket unit overrides --addr.

Exit codes: 0 graceful shutdown, 1 gave up or cannot listen, 2 bad input, 130 or 143
after a second signal.")]
    Cluster(ClusterOptions),
    /// Stream a file through a pipeline: copy, transform, compress
    #[command(after_help = "Examples:
  highwater pipe server.log copy.log
  highwater pipe server.log server.log.gz --gzip
  highwater pipe server.log.gz - --gunzip | sort
  highwater pipe - LOUD.txt --upper --high-water 64KiB < quiet.txt

Memory use does not depend on the size of the input. A summary goes to standard error.

Output files are written atomically: the data goes to a temporary file in the same
folder, which is renamed when it is complete and on disk. If the run fails, the folder is
unchanged. A replaced file keeps its permissions, owner, access list and extended
attributes. A new file gets the input's permissions, as with gzip and cp -p, or default
permissions (umask) if the input is not a file. Symbolic links are followed. A file that
cannot be replaced without loss (a mount point, one of several hard links, a file in a
read-only folder) needs --in-place.

--gzip writes a single gzip member, which every reader supports. --gunzip reads
files with several members and ignores trailing zeros. Other trailing data or a truncated
member is an error: standard output receives everything before it, but no output file is
created.

Exit codes: 0 success, 1 a stage failed, 2 bad input, 130 Ctrl-C (129, 131, 143, 152:
other signals), 141 the reader closed standard output, as with other filters.")]
    Pipe(PipeOptions),
}

/// Options of `pipe`.
#[derive(Args, Debug)]
#[allow(clippy::struct_excessive_bools, reason = "each is a command-line flag")]
pub(crate) struct PipeOptions {
    /// File to read, or - for standard input
    pub(crate) input: PathBuf,
    /// File to write, or - for standard output
    pub(crate) output: PathBuf,
    /// Convert ASCII letters to upper case
    #[arg(long)]
    pub(crate) upper: bool,
    /// Compress at level 6, on all cores
    #[arg(long, conflicts_with = "gunzip")]
    pub(crate) gzip: bool,
    /// Decompress
    #[arg(long)]
    pub(crate) gunzip: bool,
    /// With --gzip: write a separate gzip member for every 512KiB. Faster, but the output
    /// is up to 5 % larger. Browsers, curl --compressed and Python's zlib read only the
    /// first member, some of them without an error
    #[arg(long, requires = "gzip")]
    pub(crate) members: bool,
    /// Overwrite an existing output file instead of replacing it, for files that cannot
    /// be replaced. If the run fails, the file may be incomplete
    #[arg(long)]
    pub(crate) in_place: bool,
    /// High-water mark of each buffer: after the input, inside --gzip and before the
    /// output [default: 1MiB; with --gzip 1.5MiB per core, up to 8MiB]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    pub(crate) high_water: Option<Size>,
    /// Print the summary as one JSON object: to standard output, or to standard error if
    /// OUTPUT is -
    #[arg(long)]
    pub(crate) json: bool,
}

/// Options of `run`.
#[derive(Args, Debug)]
pub(crate) struct RunOptions {
    /// Name of the scenario, from `highwater list`
    name: String,
    /// Set a parameter; the last value wins. KEY@MS=VALUE changes a live parameter MS
    /// milliseconds into the run; `highwater list` marks live parameters
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Random seed [default: 1]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    seed: Option<String>,
    /// World to run in
    #[arg(long, value_enum, default_value_t = World::Native)]
    pub(crate) world: World,
    /// Run in simulated time and natively, and print both beside the prediction of
    /// queueing theory. The exit code is 1 if a check fails in either
    #[arg(long, conflicts_with_all = ["world", "trace"])]
    pub(crate) compare: bool,
    /// Write the trace in the Chrome trace-event format
    #[arg(long, value_name = "FILE.json")]
    pub(crate) trace: Option<PathBuf>,
    /// Write all records as CSV, one record per line; with --compare, write its table
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) csv: Option<PathBuf>,
    /// Plot all metrics over time
    #[arg(long, value_name = "FILE.svg")]
    pub(crate) plot: Option<PathBuf>,
    /// Plot only this metric
    #[arg(long, value_name = "NAME", requires = "plot", value_parser = metric_parser())]
    pub(crate) metric: Option<Metric>,
    /// Print the report as one JSON object
    #[arg(long)]
    pub(crate) json: bool,
}

impl RunOptions {
    /// Builds the experiment that the options describe.
    ///
    /// # Errors
    ///
    /// [`Error::Input`] for an unknown name or bad value, [`Error::InvalidSetting`] for a
    /// `--set` without `=`.
    pub(crate) fn experiment(&self) -> Result<Experiment, Error> {
        let scenario = scenario::find(&self.name)?;
        let mut experiment = scenario.experiment();
        for pair in &self.settings {
            let Some((key, value)) = pair.split_once('=') else {
                let first_param = scenario.params.first();
                return Err(Error::InvalidSetting {
                    pair: pair.clone(),
                    example: first_param.map_or("seed=1".to_owned(), |param| {
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

    /// Returns the `--set` keys that have no effect on this experiment, each with the
    /// setting that it needs.
    pub(crate) fn unused_settings(&self, experiment: &Experiment) -> Vec<String> {
        let params = experiment.scenario().params.iter();
        let unused = params.filter_map(|param| {
            let (key, option) = param.only_with?;
            let mut pairs = self.settings.iter().filter_map(|pair| pair.split_once('='));
            let is_set = pairs.any(|(set, _)| set.trim() == param.key);
            (is_set && experiment.params().choice(key) != option)
                .then(|| format!("{} has no effect without {key}={option}", param.key))
        });
        unused.collect()
    }
}

/// Returns a parser for metric names.
fn metric_parser() -> impl TypedValueParser<Value = Metric> {
    let names = Metric::ALL.map(Metric::name);
    // The default is never used: the parser rejects unknown names.
    PossibleValuesParser::new(names).map(|name| Metric::named(&name).unwrap_or(Metric::Latency))
}

/// Prints help or version, or a one-line usage error. Returns the exit code.
pub(crate) fn report_usage(error: &clap::Error) -> ExitCode {
    if error.use_stderr() {
        let line = one_line(&error.to_string());
        let hint = match error.kind() {
            ErrorKind::InvalidSubcommand => "the commands are list, run, serve, cluster and pipe",
            _ => "see --help",
        };
        anstream::eprintln!("{BAD}error:{BAD:#} {line}; {hint}");
        return ExitCode::from(2);
    }
    // There is nowhere to report a failed write.
    let _ = error.print();
    ExitCode::SUCCESS
}

/// Reduces clap's message to one line. Keeps tips and removes the usage paragraphs.
fn one_line(message: &str) -> String {
    let message = message.strip_prefix("error: ").unwrap_or(message);
    let paragraphs = message.split("\n\n").take_while(|paragraph| {
        !paragraph.starts_with("Usage:") && !paragraph.starts_with("For more information")
    });
    let lines: Vec<String> = paragraphs
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
    fn command_line_definition_is_valid() {
        Cli::command().debug_assert();
    }

    #[test]
    fn last_value_of_a_parameter_wins() {
        let options = run(&[
            "--set", "users=3", "--set", "users=5", "--set", "seed=2", "--seed", "9",
        ]);
        let experiment = options.experiment().unwrap();
        assert_eq!(experiment.params().integer("users"), 5);
        assert_eq!(experiment.seed(), 9);
    }

    #[test]
    fn settings_without_effect_are_found() {
        let unused = |pairs: &[&str]| {
            let arguments: Vec<_> = pairs.iter().flat_map(|pair| ["--set", pair]).collect();
            let options = run(&arguments);
            options.unused_settings(&options.experiment().unwrap())
        };
        assert_eq!(
            unused(&["cv=3", "times=fixed", "burst=3"]),
            [
                "burst has no effect without arrivals=bursty",
                "cv has no effect without times=lognormal"
            ]
        );
        let used = ["cv=3", "arrivals=bursty", "burst=3", "users=3"];
        assert_eq!(unused(&used), Vec::<String>::new());
    }

    #[test]
    fn set_without_a_value_shows_an_example() {
        let error = run(&["--set", "users"]).experiment().unwrap_err();
        assert_eq!(
            error.to_string(),
            "invalid --set \"users\": expected key=value, for example --set design=events"
        );
    }

    #[test]
    fn usage_errors_fit_on_one_line() {
        let error =
            Cli::try_parse_from(["highwater", "run", "--sed", "1", "decoupling"]).unwrap_err();
        let line = one_line(&error.to_string());
        assert!(
            line.starts_with("unexpected argument '--sed' found; tip:"),
            "{line}"
        );
        assert!(!line.contains('\n'), "{line}");
    }

    fn run(arguments: &[&str]) -> RunOptions {
        let all = ["highwater", "run", "decoupling"].iter().chain(arguments);
        match Cli::try_parse_from(all).unwrap().command {
            Some(Command::Run(options)) => options,
            other => panic!("{other:?}"),
        }
    }
}
