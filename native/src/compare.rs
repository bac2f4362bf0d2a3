//! `highwater run --compare`: one experiment in simulated time and natively.

use crate::{
    cli::RunOptions,
    error::Error,
    report::{self, Comparison},
    run::{self, OutputFiles},
    terminal,
    world::World,
};
use highwater::analysis::{PlotRun, plot};
use std::{process::ExitCode, slice, time::Duration};

/// The duration of a native run that is announced before it starts.
const LONG: Duration = Duration::from_secs(5);

/// Runs the selected experiment in both worlds, writes its output files and prints one
/// report.
///
/// # Errors
///
/// Bad input, or an output that cannot be written.
pub(crate) async fn compare(options: &RunOptions) -> Result<ExitCode, Error> {
    let experiment = options.experiment()?;
    let files = OutputFiles::check(options)?;
    run::warn(options, &experiment);
    // One after the other: the simulation would slow down the native run.
    let experiments = slice::from_ref(&experiment);
    let simulated = run::run_all(World::Virtual, experiments).await?.remove(0);
    let duration = report::run_duration(&simulated.trace);
    if duration >= LONG {
        let text = report::human_duration(duration);
        terminal::print_to_stderr(&format!("the native run takes about {text}\n"));
    }
    let native = run::run_all(World::Native, experiments).await?.remove(0);
    let comparison = Comparison::new(&experiment, &simulated, &native);
    if let Some(file) = files.csv {
        file.write(|writer| writer.write_all(comparison.csv().as_bytes()))?;
    }
    if let Some(file) = files.plot {
        let runs = [("simulated", &simulated), ("native", &native)];
        let runs = runs.map(|(label, run)| PlotRun {
            label,
            trace: &run.trace,
        });
        let svg = plot(&runs, &run::figure(options.metric));
        file.write(|writer| writer.write_all(svg.as_bytes()))?;
    }
    terminal::print(&if options.json {
        format!("{:#}\n", comparison.json())
    } else {
        comparison.text()
    })?;
    let [of_simulated, of_native] = comparison.verdicts();
    let code = report::exit_code(&simulated, of_simulated);
    Ok(if code == ExitCode::SUCCESS {
        report::exit_code(&native, of_native)
    } else {
        code
    })
}
