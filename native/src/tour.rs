//! `highwater` without a command: every scenario, in real time.

use crate::{
    error::Error,
    report,
    run::watch,
    world::{FinishedRun, World},
};
use anstyle::Style;
use highwater::scenario::{self, Experiment, InputError, Preset, Scenario};
use std::{fmt::Write, process::ExitCode};

/// How many presets of each scenario: the most telling come first, and all of
/// them would take more than a minute.
const PRESETS: usize = 2;

/// The chapter whose runs measure the processor, so that each has it to itself.
/// In the others most of the time is waited, and presets run side by side.
const MEASURES: &str = "scaling";

/// Runs the first presets of every scenario. The exit code is 1 if a check
/// failed.
///
/// # Errors
///
/// If the system gives no thread.
pub(crate) async fn tour() -> Result<ExitCode, Error> {
    let mut code = ExitCode::SUCCESS;
    report::print("The tour: every scenario in real time on this machine.\n")?;
    for scenario in scenario::ALL {
        report::print(&heading(scenario))?;
        let presets = &scenario.presets[..scenario.presets.len().min(PRESETS)];
        let at_once = if scenario.chapter == MEASURES {
            1
        } else {
            PRESETS
        };
        for presets in presets.chunks(at_once) {
            let stop = visit(scenario, presets).await?;
            if stop != ExitCode::SUCCESS {
                code = stop;
            }
        }
    }
    report::print(if code == ExitCode::SUCCESS {
        "\nEvery check passed. `highwater list` shows more to try and what can be set, `highwater serve` the page.\n"
    } else {
        "\nA check failed: see the lines marked ✗.\n"
    })?;
    Ok(code)
}

/// Runs presets side by side, and tells of one after the other.
async fn visit(scenario: &'static Scenario, presets: &[Preset]) -> Result<ExitCode, Error> {
    let experiments = presets.iter().map(|preset| experiment(scenario, preset));
    let experiments = experiments.collect::<Result<Vec<_>, _>>()?;
    let ended = watch(World::Native, &experiments).await?;
    let mut code = ExitCode::SUCCESS;
    for ((preset, experiment), ended) in presets.iter().zip(&experiments).zip(&ended) {
        let stop = tell(preset, experiment, ended)?;
        if stop != ExitCode::SUCCESS {
            code = stop;
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

fn tell(preset: &Preset, experiment: &Experiment, ended: &FinishedRun) -> Result<ExitCode, Error> {
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
        report::human(report::took(&ended.trace)),
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
