//! `native run`: one experiment.

use crate::{
    cli::RunOptions,
    error::Error,
    output::Output,
    plot, report,
    world::{self, Ended, World},
};
use highwater::scenario::Experiment;
use indicatif::{ProgressBar, ProgressStyle};
use std::{process::ExitCode, time::Duration};

/// Runs what the options name and reports.
///
/// # Errors
///
/// Bad input, or an output that could not be written.
pub(crate) async fn run(options: &RunOptions) -> Result<ExitCode, Error> {
    let experiment = options.experiment()?;
    let check = |path: &Option<_>| path.as_deref().map(Output::check).transpose();
    let trace_file = check(&options.trace)?;
    let plot_file = check(&options.plot)?;
    if let (Some(trace), Some(plot)) = (&trace_file, &plot_file)
        && trace.is_same_as(plot)
    {
        return Err(Error::SameOutput);
    }

    let ended = watch(options.world, &experiment).await?;
    // Written even if the run died: then they are wanted most.
    if let Some(file) = trace_file {
        file.write(|writer| ended.trace.write_chrome(writer))?;
    }
    if let Some(file) = plot_file {
        let picture = plot::latencies(&ended.trace);
        file.write(|writer| writer.write_all(picture.as_bytes()))?;
    }
    let verdicts = experiment.scenario().judge(&ended.trace);
    report::print(&if options.json {
        report::json(&ended.trace, &verdicts)
    } else {
        report::text(&experiment, options.world, &ended, &verdicts)
    })?;
    Ok(report::exit_code(&ended, &verdicts))
}

/// Runs an experiment and shows on the terminal that something happens.
///
/// # Errors
///
/// If the system gives no thread.
pub(crate) async fn watch(world: World, experiment: &Experiment) -> Result<Ended, Error> {
    // Hidden by itself where standard error is not a terminal.
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} running for {elapsed}: {pos} records")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(100));
    let ended = world::run(world, experiment, |records| bar.set_position(records)).await;
    bar.finish_and_clear();
    let ended = ended.map_err(Error::Runtime)?;
    if let Some(death) = &ended.death {
        anstream::eprintln!("{}the run died:{:#} {death}", report::BAD, report::BAD);
    }
    Ok(ended)
}
