//! `highwater list`: scenarios with their parameters and presets.

use crate::{error::Error, terminal};
use anstyle::Style;
use highwater::scenario::{self, Preset, SEED, Scenario};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt::{self, Write},
    process::ExitCode,
};

/// Prints one or all scenarios, as text or as JSON.
///
/// # Errors
///
/// [`Error::Input`] for an unknown name, [`Error::Print`] if the write fails.
pub(crate) fn list(name: Option<&str>, as_json: bool) -> Result<ExitCode, Error> {
    let scenarios = match name {
        Some(name) => vec![scenario::find(name)?],
        None => scenario::ALL.to_vec(),
    };
    terminal::print(&if as_json {
        format!("{:#}\n", catalogue_of(&scenarios))
    } else {
        let listings = scenarios.iter().copied().map(ScenarioListing);
        listings.map(|listing| listing.to_string()).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}

/// Returns all scenarios with their schemas, in the format of `GET /api/scenarios`.
pub(crate) fn catalogue() -> Value {
    catalogue_of(scenario::ALL)
}

fn catalogue_of(scenarios: &[&Scenario]) -> Value {
    let scenarios: Vec<Value> = scenarios
        .iter()
        .map(|scenario| {
            let presets: Vec<Value> = scenario
                .presets
                .iter()
                .map(|preset| {
                    let set: BTreeMap<_, _> = preset.set.iter().copied().collect();
                    json!({ "title": preset.title, "set": set })
                })
                .collect();
            json!({
                "name": scenario.name,
                "chapter": scenario.chapter,
                "summary": scenario.summary,
                "params": scenario.params,
                "presets": presets,
            })
        })
        .collect();
    json!({ "scenarios": scenarios })
}

/// A scenario with its parameters and presets, displayed as text.
struct ScenarioListing(&'static Scenario);

impl fmt::Display for ScenarioListing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ScenarioListing(scenario) = self;
        let bold = Style::new().bold();
        let faint = terminal::FAINT;
        writeln!(f, "{bold}{}{bold:#}: {}", scenario.name, scenario.summary)?;
        writeln!(f, "\n  Parameters with their defaults (--set key=value)")?;
        if scenario.params.iter().any(|param| param.live) {
            writeln!(
                f,
                "  {faint}Live parameters can change during a run: --set key@ms=value{faint:#}"
            )?;
        }
        let params = || scenario.params.iter().chain([&SEED]);
        let assignments: Vec<String> = params()
            .map(|param| format!("{}={}", param.key, param.default()))
            .collect();
        let width = assignments.iter().map(String::len).max().unwrap_or(0);
        for (param, assignment) in params().zip(&assignments) {
            write!(f, "    {assignment:width$}  {}", param.range())?;
            if param.live {
                f.write_str(", live")?;
            }
            if let Some((key, value)) = param.only_with {
                write!(f, ", only with {key}={value}")?;
            }
            writeln!(f)?;
            writeln!(
                f,
                "    {:width$}  {faint}{}. {}{faint:#}",
                "", param.label, param.help
            )?;
        }
        writeln!(f, "\n  Presets")?;
        for preset in scenario.presets {
            writeln!(f, "    {}", preset.title)?;
            writeln!(f, "    {faint}  {}{faint:#}", command(scenario, preset))?;
        }
        f.write_char('\n')
    }
}

fn command(scenario: &'static Scenario, preset: &Preset) -> String {
    let mut line = format!("cargo run -p native -- run {}", scenario.name);
    for (key, value) in preset.set {
        line.extend([" --set ", key, "=", value]);
    }
    line
}
