//! `cargo run -p bundle`: the command line of the bundle.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use bundle::{Options, Report};
use clap::Parser;

const EXAMPLES: &str = "\
Examples:
  cargo run -p bundle                       build what is stale in www/pkg
  cargo run -p bundle -- --single           skip the threaded build
  cargo run -p bundle -- --out /tmp/pkg     build somewhere else
  cargo run -p bundle -- --sizes            say what the page weighs in any case";

/// Builds the page's WebAssembly package from the `web` crate.
#[derive(Parser)]
#[command(name = "bundle", version, after_help = EXAMPLES)]
struct Arguments {
    /// Build only the single-threaded package
    #[arg(long)]
    single: bool,

    /// Write the package to DIR
    #[arg(long, value_name = "DIR", default_value = "www/pkg")]
    out: PathBuf,

    /// Print the sizes even when nothing had to be built
    #[arg(long)]
    sizes: bool,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bundle: error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let started = Instant::now();
    let options = Options {
        single: arguments.single,
        // The default is relative to the workspace, a given path to the caller.
        out: Some(&arguments.out)
            .filter(|out| out.as_os_str() != "www/pkg")
            .cloned(),
    };
    let summary = bundle::build(&options)?;
    if summary.changed() || arguments.sizes {
        print!("{}", Report::new(&summary.layout)?);
    }
    let verb = if summary.changed() {
        "done"
    } else {
        "up to date"
    };
    eprintln!("bundle: {verb} in {:.1} s", started.elapsed().as_secs_f64());
    Ok(())
}
