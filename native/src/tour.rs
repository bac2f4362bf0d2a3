//! The tour: `highwater` without a command runs every scenario in real time.

use crate::{
    error::Error,
    report,
    run::watch,
    world::{FinishedRun, World},
};
use anstyle::Style;
use highwater::scenario::{self, Experiment, InputError, Preset, Scenario};
use std::{fmt::Write, process::ExitCode};

/// The number of presets per scenario. The most instructive come first. All of them
/// would take more than a minute.
const PRESETS: usize = 2;

/// The chapter whose runs measure CPU time, one at a time. Runs of the other chapters
/// mostly wait, so their presets run concurrently.
const CPU_BOUND_CHAPTER: &str = "scaling";

/// Runs the first presets of every scenario. The exit code is 1 if a check failed.
///
/// # Errors
///
/// If a thread cannot be started.
pub(crate) async fn tour() -> Result<ExitCode, Error> {
    let mut code = ExitCode::SUCCESS;
    report::print("The tour: every scenario in real time on this machine.\n")?;
    for scenario in scenario::ALL {
        report::print(&heading(scenario))?;
        let presets = &scenario.presets[..scenario.presets.len().min(PRESETS)];
        let concurrency = if scenario.chapter == CPU_BOUND_CHAPTER {
            1
        } else {
            PRESETS
        };
        for presets in presets.chunks(concurrency) {
            let group_code = run_presets(scenario, presets).await?;
            if group_code != ExitCode::SUCCESS {
                code = group_code;
            }
        }
    }
    report::print(if code == ExitCode::SUCCESS {
        "\nEvery check passed. `highwater list` shows more presets and parameters, `highwater serve` opens the page.\n"
    } else {
        "\nSome checks failed: see the lines marked ✗.\n"
    })?;
    Ok(code)
}

/// Runs presets concurrently and prints their results in order.
async fn run_presets(scenario: &'static Scenario, presets: &[Preset]) -> Result<ExitCode, Error> {
    let experiments = presets.iter().map(|preset| experiment(scenario, preset));
    let experiments = experiments.collect::<Result<Vec<_>, _>>()?;
    let ended = watch(World::Native, &experiments).await?;
    let mut code = ExitCode::SUCCESS;
    for ((preset, experiment), ended) in presets.iter().zip(&experiments).zip(&ended) {
        let preset_code = print_result(preset, experiment, ended)?;
        if preset_code != ExitCode::SUCCESS {
            code = preset_code;
        }
    }
    Ok(code)
}

fn experiment(scenario: &'static Scenario, preset: &Preset) -> Result<Experiment, InputError> {
    let mut experiment = scenario.experiment();
    for (key, value) in preset.set {
        experiment.set(key, value)?;
    }
    Ok(experiment)
}

fn print_result(
    preset: &Preset,
    experiment: &Experiment,
    ended: &FinishedRun,
) -> Result<ExitCode, Error> {
    let bold = Style::new().bold();
    let mut lines = format!("\n  {bold}{}{bold:#}\n", preset.title);
    let verdicts = experiment.scenario().judge(&ended.trace);
    for verdict in &verdicts {
        let _ = writeln!(lines, "    {}", report::verdict_line(verdict, &ended.trace));
    }
    let _ = writeln!(
        lines,
        "    {}in {}: {}{:#}",
        report::FAINT,
        report::human_duration(report::run_duration(&ended.trace)),
        experiment.command_line(),
        report::FAINT
    );
    report::print(&lines)?;
    Ok(report::exit_code(ended, &verdicts))
}

fn heading(scenario: &Scenario) -> String {
    let bold = Style::new().bold();
    format!("\n{bold}{}{bold:#}: {}\n", scenario.name, scenario.summary)
}
