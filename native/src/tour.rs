//! `native`: every scenario, in real time, one after the other.

use crate::{error::Error, report, run::watch, world::World};
use anstyle::Style;
use highwater::scenario::{self, Preset, Scenario};
use std::{fmt::Write, process::ExitCode};

/// How many presets of each scenario: the most telling come first, and all of
/// them would take more than a minute.
const PRESETS: usize = 2;

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
        for preset in scenario.presets.iter().take(PRESETS) {
            let stop = visit(scenario, preset).await?;
            if stop != ExitCode::SUCCESS {
                code = stop;
            }
        }
    }
    report::print(if code == ExitCode::SUCCESS {
        "\nEvery check passed. `native list` shows more to try and what can be set, `native serve` the page.\n"
    } else {
        "\nA check failed: see the lines marked ✗.\n"
    })?;
    Ok(code)
}

async fn visit(scenario: &'static Scenario, preset: &Preset) -> Result<ExitCode, Error> {
    let mut experiment = scenario.experiment();
    for (key, value) in preset.set {
        experiment.set(key, value)?;
    }
    let bold = Style::new().bold();
    report::print(&format!("\n  {bold}{}{bold:#}\n", preset.title))?;
    let ended = watch(World::Native, &experiment).await?;
    let verdicts = experiment.scenario().judge(&ended.trace);
    let mut lines = String::new();
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
    Ok(report::exit_code(&ended, &verdicts))
}

fn heading(scenario: &Scenario) -> String {
    let bold = Style::new().bold();
    format!("\n{bold}{}{bold:#}: {}\n", scenario.name, scenario.summary)
}
