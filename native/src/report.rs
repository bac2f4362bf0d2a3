//! The report of a run, as text and as JSON.

mod comparison;
mod errors;
mod json;
mod processes;
mod scaling;
mod table;
mod theory;
mod units;

pub(crate) use comparison::Comparison;
pub(crate) use json::json;
pub(crate) use table::render;
pub(crate) use units::human_duration;

use crate::{
    terminal::{BAD, FAINT, GOOD},
    world::{FinishedRun, World},
};
use anstyle::Style;
use highwater::{
    analysis::digest,
    scenario::{Experiment, Outcome, Verdict, WorkerSlots},
    trace::{Event, Trace},
};
use std::{fmt::Write, process::ExitCode, time::Duration};

/// Returns the report as text.
pub(crate) fn text(
    experiment: &Experiment,
    world: World,
    finished_run: &FinishedRun,
    verdicts: &[Verdict],
) -> String {
    let trace = &finished_run.trace;
    let mut text = String::new();
    write_header(&mut text, experiment, world, trace);
    write_incompleteness(&mut text, finished_run);
    let simulated = match world {
        World::Native => "",
        World::Virtual => " (simulated)",
    };
    let _ = write!(text, "\n{}", table::services(trace, simulated));
    text += &errors::table(trace);
    text += &scaling::table(trace);
    text += &table::queues(trace, run_duration(trace));
    let _ = writeln!(text, "{}", theory::table(trace, simulated));
    write_verdicts(&mut text, trace, verdicts);
    write_footer(&mut text, experiment, world);
    text
}

/// Writes the reason that a run is incomplete, if it is.
fn write_incompleteness(text: &mut String, finished_run: &FinishedRun) {
    if let Some(failure) = &finished_run.failure {
        let _ = writeln!(text, "\n  {BAD}✗ the run died:{BAD:#} {failure}");
    }
    let dropped = finished_run.trace.dropped;
    if dropped > 0 {
        let _ = writeln!(
            text,
            "\n  {BAD}✗ {dropped} records were dropped:{BAD:#} the figures below are incomplete"
        );
    }
}

fn write_verdicts(text: &mut String, trace: &Trace, verdicts: &[Verdict]) {
    for verdict in verdicts {
        let _ = writeln!(text, "  {}", verdict_line(verdict, trace));
        if is_complete(trace) {
            let _ = writeln!(text, "    {FAINT}{}{FAINT:#}", verdict.evidence);
        }
    }
}

/// Formats a verdict as a mark and its claim. The line is readable without colour.
pub(crate) fn verdict_line(verdict: &Verdict, trace: &Trace) -> String {
    let claim = &verdict.claim;
    match verdict.outcome {
        Outcome::Passed => format!("{GOOD}✓{GOOD:#} {claim}"),
        Outcome::Failed if is_complete(trace) => format!("{BAD}✗ failed:{BAD:#} {claim}"),
        Outcome::Failed => format!("{BAD}✗ not shown:{BAD:#} {claim}"),
        Outcome::NotExercised => format!("{FAINT}– not exercised:{FAINT:#} {claim}"),
    }
}

/// Returns whether the trace is complete. If not, all checks fail, and the report shows
/// the reason above them.
fn is_complete(trace: &Trace) -> bool {
    trace.died.is_none() && trace.dropped == 0
}

/// Returns the parameters that differ from their defaults.
pub(crate) fn settings_text(experiment: &Experiment) -> String {
    let settings = experiment.settings(false).into_iter();
    let pairs = settings.map(|(key, value)| [&key, "=", &value].concat());
    pairs.collect::<Vec<_>>().join(" ")
}

fn settings_or_none(experiment: &Experiment) -> String {
    let text = settings_text(experiment);
    if text.is_empty() {
        return "none (all parameters at their defaults)".to_owned();
    }
    text
}

/// Returns 1 if the run died or a check failed, otherwise 0.
pub(crate) fn exit_code(finished_run: &FinishedRun, verdicts: &[Verdict]) -> ExitCode {
    let failed = verdicts
        .iter()
        .any(|verdict| verdict.outcome == Outcome::Failed);
    ExitCode::from(u8::from(failed || finished_run.failure.is_some()))
}

/// Returns the time from the start of the run to its last record.
pub(crate) fn run_duration(trace: &Trace) -> Duration {
    trace
        .events
        .last()
        .map_or(Duration::ZERO, Event::recorded_at)
}

fn write_header(text: &mut String, experiment: &Experiment, world: World, trace: &Trace) {
    let bold = Style::new().bold();
    let scenario = experiment.scenario();
    let _ = writeln!(
        text,
        "{bold}{}{bold:#}: {}\n",
        scenario.name, scenario.summary
    );
    let (world_text, time_suffix) = match world {
        World::Native if !WorkerSlots::of(trace).as_slice().is_empty() => {
            ("native: real time, one thread and child processes", "")
        }
        World::Native if trace.events.iter().any(|event| event.thread != 0) => {
            ("native: real time, a loop thread and job threads", "")
        }
        World::Native => ("native: real time, one thread", ""),
        World::Virtual => ("virtual: simulated time, reproducible", " simulated"),
    };
    let _ = writeln!(text, "  world  {world_text}");
    let _ = writeln!(text, "  seed   {}", experiment.seed());
    let _ = writeln!(text, "  set    {}", settings_or_none(experiment));
    let _ = writeln!(
        text,
        "  took   {}{time_suffix}, {} records",
        human_duration(run_duration(trace)),
        trace.events.len()
    );
    // Only simulated runs are reproducible.
    if world == World::Virtual {
        let _ = writeln!(text, "  digest {}", digest(trace));
    }
}

fn write_footer(text: &mut String, experiment: &Experiment, world: World) {
    let world_option = match world {
        World::Native => "",
        World::Virtual => " --world virtual",
    };
    let _ = writeln!(
        text,
        "\n  repeat   {}{world_option}\n  view     cargo run -p native -- serve, then http://127.0.0.1:8080/{}",
        experiment.command_line(),
        experiment.fragment()
    );
}

#[cfg(test)]
mod tests {
    use super::*;
    use highwater::scenario;

    #[test]
    fn simulated_figures_are_marked() {
        let text = plain(&[("design", "direct")]);
        assert!(text.contains("virtual: simulated time"), "{text}");
        assert!(text.contains(" s simulated, "), "{text}");
        assert!(text.contains("P99 (SIMULATED)"), "{text}");
    }

    #[test]
    fn simulation_has_a_digest() {
        let digest = |set: &[_]| {
            let text = plain(set);
            let line = text.lines().find_map(|line| line.strip_prefix("  digest "));
            line.map(str::to_owned).filter(|digest| digest.len() == 64)
        };
        assert!(digest(&[]).is_some());
        assert_eq!(digest(&[]), digest(&[]));
        assert_ne!(digest(&[]), digest(&[("users", "3")]));
    }

    #[test]
    fn verdict_lines_start_with_their_outcome() {
        let text = plain(&[("fail", "none")]);
        assert!(text.contains("✓ every sign-up is answered"), "{text}");
        assert!(text.contains("– not exercised: with events"), "{text}");
        assert!(text.contains("set fail=email"), "{text}");
    }

    #[test]
    fn report_ends_with_commands_to_reproduce_it() {
        let text = plain(&[("users", "3")]);
        let command = "run decoupling --set users=3 --seed 1 --world virtual";
        assert!(text.contains(command), "{text}");
        assert!(
            text.trim_end().ends_with("#/decoupling?seed=1&users=3"),
            "{text}"
        );
    }

    fn plain(set: &[(&str, &str)]) -> String {
        let mut experiment = scenario::find("decoupling").unwrap().experiment();
        for (key, value) in set {
            experiment.set(key, value).unwrap();
        }
        let finished_run = FinishedRun {
            trace: experiment.simulate(),
            failure: None,
        };
        let verdicts = experiment.scenario().judge(&finished_run.trace);
        let text = text(&experiment, World::Virtual, &finished_run, &verdicts);
        anstream::adapter::strip_str(&text).to_string()
    }
}
