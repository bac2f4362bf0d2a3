//! `highwater run`: runs one experiment and reports on it.

use crate::{
    cli::RunOptions,
    error::Error,
    output::Output,
    report, terminal,
    world::{self, FinishedRun, World},
};
use futures::future::try_join_all;
use highwater::{
    analysis::{Figure, Metric, PlotRun, Theory, plot, write_csv},
    scenario::Experiment,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{cell::Cell, process::ExitCode, time::Duration};

/// Runs the selected experiment, writes its output files and prints a report.
///
/// # Errors
///
/// Bad input, or an output that cannot be written.
pub(crate) async fn run(options: &RunOptions) -> Result<ExitCode, Error> {
    let experiment = options.experiment()?;
    let files = OutputFiles::check(options)?;
    warn(options, &experiment);
    let finished_run = run_all(options.world, std::slice::from_ref(&experiment))
        .await?
        .remove(0);
    // Failed runs are written too: their records show what led to the failure.
    if let Some(file) = files.trace {
        file.write(|writer| finished_run.trace.write_chrome(writer))?;
    }
    if let Some(file) = files.csv {
        file.write(|writer| write_csv(&finished_run.trace, writer))?;
    }
    if let Some(file) = files.plot {
        let label = report::settings_text(&experiment);
        let run = PlotRun {
            label: &label,
            trace: &finished_run.trace,
        };
        let svg = plot(&[run], &figure(options.metric));
        file.write(|writer| writer.write_all(svg.as_bytes()))?;
    }
    let verdicts = experiment.scenario().judge(&finished_run.trace);
    terminal::print(&if options.json {
        format!("{:#}\n", report::json(&finished_run.trace, &verdicts))
    } else {
        report::text(&experiment, options.world, &finished_run, &verdicts)
    })?;
    Ok(report::exit_code(&finished_run, &verdicts))
}

/// The output files of a run.
pub(crate) struct OutputFiles {
    pub(crate) trace: Option<Output>,
    pub(crate) csv: Option<Output>,
    pub(crate) plot: Option<Output>,
}

impl OutputFiles {
    /// Checks that every file can be written, and that they differ.
    ///
    /// # Errors
    ///
    /// [`Error::UnwritableOutput`] or [`Error::SameOutput`].
    pub(crate) fn check(options: &RunOptions) -> Result<Self, Error> {
        let check = |path: &Option<_>| path.as_deref().map(Output::check).transpose();
        let files = OutputFiles {
            trace: check(&options.trace)?,
            csv: check(&options.csv)?,
            plot: check(&options.plot)?,
        };
        let named = [
            ("--trace", &files.trace),
            ("--csv", &files.csv),
            ("--plot", &files.plot),
        ];
        for (index, (second, file)) in named.iter().enumerate() {
            for (first, other) in &named[..index] {
                if let (Some(file), Some(other)) = (file, other)
                    && file.is_same_as(other)
                {
                    return Err(Error::SameOutput { first, second });
                }
            }
        }
        Ok(files)
    }
}

/// Warns of settings without effect, and if requests arrive faster than they can be
/// handled.
pub(crate) fn warn(options: &RunOptions, experiment: &Experiment) {
    for unused in options.unused_settings(experiment) {
        terminal::warn(&unused);
    }
    if let Some(overload) = Theory::of_settings(&experiment.new_trace("")).overload() {
        terminal::warn(&overload);
    }
}

/// Returns a figure of one metric over time, or of all metrics.
pub(crate) fn figure(metric: Option<Metric>) -> Figure {
    let mut figure = Figure::default();
    if let Some(metric) = metric {
        figure.metrics = vec![metric];
    }
    figure
}

/// Runs experiments concurrently, with a progress display on the terminal.
///
/// # Errors
///
/// If a thread cannot be started.
pub(crate) async fn run_all(
    world: World,
    experiments: &[Experiment],
) -> Result<Vec<FinishedRun>, Error> {
    // The bar is hidden if standard error is not a terminal.
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} running for {elapsed}: {pos} records")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(100));
    let records = vec![Cell::new(0); experiments.len()];
    let runs = experiments.iter().zip(&records).map(|(experiment, count)| {
        world::run(world, experiment, |recorded| {
            count.set(recorded);
            bar.set_position(records.iter().map(Cell::get).sum());
        })
    });
    let finished_runs = try_join_all(runs).await;
    bar.finish_and_clear();
    let finished_runs = finished_runs.map_err(Error::Runtime)?;
    for failure in finished_runs.iter().filter_map(|run| run.failure.as_ref()) {
        anstream::eprintln!(
            "{}the run died:{:#} {failure}",
            terminal::BAD,
            terminal::BAD
        );
    }
    Ok(finished_runs)
}
