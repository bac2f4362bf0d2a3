//! The command line of the bundle: `cargo run -p bundle`.

use std::io::{self, ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use bundle::{Options, Report};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  cargo run -p bundle                       build the stale parts of www/pkg
  cargo run -p bundle -- --single           skip the threaded builds
  cargo run -p bundle -- --chapter events   build only this chapter
  cargo run -p bundle -- --out /tmp/pkg     write to another directory
  cargo run -p bundle -- --sizes            print sizes; exit 1 if a budget is exceeded";

/// Builds the page's WebAssembly package from the `web` crates.
#[derive(Parser)]
#[command(name = "bundle", version, after_help = EXAMPLES)]
struct Arguments {
    /// Skip the threaded builds
    #[arg(long)]
    single: bool,

    /// Build only this chapter, or `file` or `analysis` [default: everything]
    #[arg(long, value_name = "NAME")]
    chapter: Option<String>,

    /// Write the package to DIR [default: www/pkg]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,

    /// Print the sizes even if nothing was built; exit 1 if a budget is
    /// exceeded
    #[arg(long)]
    sizes: bool,
}

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bundle: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let started = Instant::now();
    let summary = bundle::build(&Options {
        single: arguments.single,
        chapter: arguments.chapter,
        out: arguments.out,
    })?;
    let mut code = ExitCode::SUCCESS;
    if summary.has_changes() || arguments.sizes {
        let report = Report::new(&summary.layout)?;
        print(&report)?;
        for budget in report
            .budgets
            .iter()
            .filter(|budget| !budget.is_within_limit())
        {
            eprintln!("bundle: over budget: {}", budget.what);
            // The page still works, so this is an error only with `--sizes`.
            if arguments.sizes {
                code = ExitCode::FAILURE;
            }
        }
    }
    let verb = if summary.has_changes() {
        "done"
    } else {
        "up to date"
    };
    eprintln!("bundle: {verb} in {:.1} s", started.elapsed().as_secs_f64());
    Ok(code)
}

/// Prints to standard output. A closed pipe is not an error.
fn print(report: &Report) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    match write!(stdout, "{report}").and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(error).context("cannot print the sizes")
        }
        _ => Ok(()),
    }
}
