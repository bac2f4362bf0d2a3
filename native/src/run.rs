//! `highwater run`: one experiment.

use crate::{
    cli::RunOptions,
    error::Error,
    output::Output,
    report,
    world::{self, FinishedRun, World},
};
use futures::future::try_join_all;
use highwater::{
    analysis::{Figure, Metric, PlotRun, plot, write_csv},
    scenario::Experiment,
};
use indicatif::{ProgressBar, ProgressStyle};
use std::{cell::Cell, process::ExitCode, time::Duration};

/// Runs what the options name and reports.
///
/// # Errors
///
/// Bad input, or an output that could not be written.
pub(crate) async fn run(options: &RunOptions) -> Result<ExitCode, Error> {
    let experiment = options.experiment()?;
    let check = |path: &Option<_>| path.as_deref().map(Output::check).transpose();
    let trace_file = check(&options.trace)?;
    let csv_file = check(&options.csv)?;
    let plot_file = check(&options.plot)?;
    let files = [
        ("--trace", &trace_file),
        ("--csv", &csv_file),
        ("--plot", &plot_file),
    ];
    for (place, (second, file)) in files.iter().enumerate() {
        for (first, other) in &files[..place] {
            if let (Some(file), Some(other)) = (file, other)
                && file.is_same_as(other)
            {
                return Err(Error::SameOutput { first, second });
            }
        }
    }

    let ended = watch(options.world, std::slice::from_ref(&experiment))
        .await?
        .remove(0);
    // Written even if the run died: then they are wanted most.
    if let Some(file) = trace_file {
        file.write(|writer| ended.trace.write_chrome(writer))?;
    }
    if let Some(file) = csv_file {
        file.write(|writer| write_csv(&ended.trace, writer))?;
    }
    if let Some(file) = plot_file {
        let picture = picture(&experiment, &ended, options.metric);
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

/// One metric over time, or all that the run has something of.
fn picture(experiment: &Experiment, ended: &FinishedRun, metric: Option<Metric>) -> String {
    let set = experiment.settings(false).into_iter();
    let pairs = set.map(|(key, value)| [&key, "=", &value].concat());
    let label = pairs.collect::<Vec<_>>().join(" ");
    let run = PlotRun {
        label: &label,
        trace: &ended.trace,
    };
    let mut figure = Figure::default();
    if let Some(metric) = metric {
        figure.metrics = vec![metric];
    }
    plot(&[run], &figure)
}

/// Runs experiments side by side, and shows on the terminal that something
/// happens.
///
/// # Errors
///
/// If the system gives no thread.
pub(crate) async fn watch(
    world: World,
    experiments: &[Experiment],
) -> Result<Vec<FinishedRun>, Error> {
    // Hidden by itself where standard error is not a terminal.
    let bar = ProgressBar::new_spinner();
    bar.set_style(
        ProgressStyle::with_template("{spinner} running for {elapsed}: {pos} records")
            .unwrap_or_else(|_| ProgressStyle::default_spinner()),
    );
    bar.enable_steady_tick(Duration::from_millis(100));
    let records = vec![Cell::new(0); experiments.len()];
    let runs = experiments.iter().zip(&records).map(|(experiment, own)| {
        world::run(world, experiment, |so_far| {
            own.set(so_far);
            bar.set_position(records.iter().map(Cell::get).sum());
        })
    });
    let ended = try_join_all(runs).await;
    bar.finish_and_clear();
    let ended = ended.map_err(Error::Runtime)?;
    for failure in ended.iter().filter_map(|ended| ended.failure.as_ref()) {
        anstream::eprintln!("{}the run died:{:#} {failure}", report::BAD, report::BAD);
    }
    Ok(ended)
}
