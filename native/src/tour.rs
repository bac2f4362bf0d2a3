//! The tour: `highwater` without a command runs every scenario in real time.

use crate::{
    error::Error,
    report,
    run::run_all,
    terminal,
    world::{FinishedRun, World},
};
use anstyle::Style;
use highwater::scenario::{self, Experiment, InputError, Preset, Scenario};
use std::{fmt::Write, process::ExitCode};

/// The number of presets per scenario. The most instructive come first. Running all
/// presets would take more than a minute.
const PRESETS_PER_SCENARIO: usize = 2;

/// The chapter whose runs measure CPU time. Its presets run one at a time. In other
/// chapters, runs mostly wait, so presets run concurrently.
const CPU_BOUND_CHAPTER: &str = "scaling";

/// Runs the first presets of every scenario. The exit code is 1 if a check failed.
///
/// # Errors
///
/// If a thread cannot be started.
pub(crate) async fn tour() -> Result<ExitCode, Error> {
    let mut code = ExitCode::SUCCESS;
    terminal::print("The tour: every scenario in real time on this machine.\n")?;
    for scenario in scenario::ALL {
        terminal::print(&heading(scenario))?;
        let presets = &scenario.presets[..scenario.presets.len().min(PRESETS_PER_SCENARIO)];
        let concurrency = if scenario.chapter == CPU_BOUND_CHAPTER {
            1
        } else {
            PRESETS_PER_SCENARIO
        };
        for presets in presets.chunks(concurrency) {
            let group_code = run_presets(scenario, presets).await?;
            if group_code != ExitCode::SUCCESS {
                code = group_code;
            }
        }
    }
    terminal::print(if code == ExitCode::SUCCESS {
        "\nEvery check passed. More: `cargo run -p native -- list` shows all presets and parameters, `cargo run -p native -- serve` opens the page.\n"
    } else {
        "\nSome checks failed: see the lines marked ✗.\n"
    })?;
    Ok(code)
}

/// Runs presets concurrently and prints their results in order.
async fn run_presets(scenario: &'static Scenario, presets: &[Preset]) -> Result<ExitCode, Error> {
    let experiments = presets.iter().map(|preset| experiment(scenario, preset));
    let experiments = experiments.collect::<Result<Vec<_>, _>>()?;
    let finished_runs = run_all(World::Native, &experiments).await?;
    let mut code = ExitCode::SUCCESS;
    for ((preset, experiment), finished_run) in presets.iter().zip(&experiments).zip(&finished_runs)
    {
        let preset_code = print_result(preset, experiment, finished_run)?;
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
    finished_run: &FinishedRun,
) -> Result<ExitCode, Error> {
    let bold = Style::new().bold();
    let mut lines = format!("\n  {bold}{}{bold:#}\n", preset.title);
    let verdicts = experiment.scenario().judge(&finished_run.trace);
    for verdict in &verdicts {
        let _ = writeln!(
            lines,
            "    {}",
            report::verdict_line(verdict, &finished_run.trace)
        );
    }
    let _ = writeln!(
        lines,
        "    {}in {}: {}{:#}",
        terminal::FAINT,
        report::human_duration(report::run_duration(&finished_run.trace)),
        experiment.command_line(),
        terminal::FAINT
    );
    terminal::print(&lines)?;
    Ok(report::exit_code(finished_run, &verdicts))
}

fn heading(scenario: &Scenario) -> String {
    let bold = Style::new().bold();
    format!("\n{bold}{}{bold:#}: {}\n", scenario.name, scenario.summary)
}
