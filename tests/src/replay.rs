//! The command `replay`: runs scripts recorded in Node against Highwater and compares the
//! traces.

mod events;
mod streams;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Deserialize;
use serde::de::DeserializeOwned;

/// The supported format version of recordings.
const FORMAT_VERSION: u32 = 1;

/// The recordings that can be replayed.
#[derive(clap::Subcommand)]
pub(crate) enum Replay {
    /// Replay scripts of emitter operations against `highwater::events`
    Events {
        /// Recording from `tests/node/record-events.mjs`, or `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Replay scripts of stream operations against channels of `highwater::stream`
    Streams {
        /// Recording from `tests/node/record-streams.mjs`, or `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// A recorded script. Every line of a recording except the first contains one.
trait Script: DeserializeOwned {
    /// The path of the recorder.
    const RECORDER_PATH: &str;

    /// The kinds of steps to count.
    const STEP_KINDS: &[StepKind];

    /// Validates the script.
    fn validate(&self) -> Result<(), String>;

    /// Returns the trace recorded in Node.
    fn trace(&self) -> &[String];

    /// Runs the script against Highwater and returns the trace.
    fn run(&self) -> Vec<String>;
}

/// The name of a kind of step, and its predicate.
type StepKind = (&'static str, fn(&str) -> bool);

/// The first line of a recording.
#[derive(Deserialize)]
struct Header {
    format: u32,
    node: String,
    seed: u64,
    count: u64,
}

/// The result of a replay.
struct ReplayReport {
    scripts: u64,
    divergences: u64,
    /// A description of the first divergence.
    first_divergence: Option<String>,
    header: Header,
    /// The number of steps of each kind.
    step_counts: Vec<(&'static str, usize)>,
}

impl Replay {
    /// Returns exit code 1 for a divergence and 2 for an invalid recording.
    pub(crate) fn run(&self) -> ExitCode {
        let replayed = match self {
            Replay::Events { file } => replay_file::<events::Script>(file),
            Replay::Streams { file } => replay_file::<streams::Script>(file),
        };
        match replayed {
            Ok(divergences) => ExitCode::from(u8::from(divergences > 0)),
            Err(message) => {
                eprintln!("tests: {message}");
                ExitCode::from(2)
            }
        }
    }
}

/// Replays a file and prints the report. Returns the number of divergences.
fn replay_file<S: Script>(file: &Path) -> Result<u64, String> {
    let report = if file == Path::new("-") {
        replay::<S>(io::stdin().lock(), "standard input")?
    } else {
        let name = file.display().to_string();
        let opened = File::open(file).map_err(|error| format!("{name}: {error}"))?;
        replay::<S>(BufReader::new(opened), &name)?
    };
    print_report(&report);
    Ok(report.divergences)
}

/// Replays a recording line by line. Memory use does not depend on its length.
fn replay<S: Script>(lines: impl BufRead, name: &str) -> Result<ReplayReport, String> {
    let mut lines = lines.lines().zip(1u64..);
    let header = match lines.next() {
        Some((Ok(line), _)) => {
            Header::parse(&line).map_err(|error| format!("{name}:1: {error}"))?
        }
        Some((Err(error), _)) => return Err(format!("{name}: {error}")),
        None => {
            let recorder = S::RECORDER_PATH;
            return Err(format!(
                "{name} is empty; record scripts with `node {recorder}`"
            ));
        }
    };
    let progress_bar = progress_bar(header.count);
    let mut report = ReplayReport {
        scripts: 0,
        divergences: 0,
        first_divergence: None,
        header,
        step_counts: S::STEP_KINDS.iter().map(|(name, _)| (*name, 0)).collect(),
    };
    for (line, number) in lines {
        let line = line.map_err(|error| format!("{name}:{number}: {error}"))?;
        let script: S = parse(&line).map_err(|error| format!("{name}:{number}: {error}"))?;
        let actual = script.run();
        report.scripts += 1;
        for ((_, seen), (_, matches)) in report.step_counts.iter_mut().zip(S::STEP_KINDS) {
            *seen += actual.iter().filter(|step| matches(step)).count();
        }
        if actual != script.trace() {
            report.divergences += 1;
            report
                .first_divergence
                .get_or_insert_with(|| describe_divergence(number, &line, script.trace(), &actual));
        }
        progress_bar.inc(1);
    }
    progress_bar.finish_and_clear();
    if report.scripts != report.header.count {
        return Err(format!(
            "{name} is truncated: {} of {} scripts",
            report.scripts, report.header.count
        ));
    }
    Ok(report)
}

fn parse<S: Script>(line: &str) -> Result<S, String> {
    let script: S = serde_json::from_str(line).map_err(|error| error.to_string())?;
    script.validate()?;
    Ok(script)
}

impl Header {
    fn parse(line: &str) -> Result<Self, String> {
        let header: Header = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if header.format != FORMAT_VERSION {
            let found = header.format;
            return Err(format!(
                "format {found} is not supported; expected format {FORMAT_VERSION}"
            ));
        }
        Ok(header)
    }
}

fn progress_bar(count: u64) -> ProgressBar {
    if !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} scripts, {eta} left");
    let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr());
    match style {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

/// Describes a divergence: the common steps, then the rest of both traces.
fn describe_divergence(number: u64, line: &str, node: &[String], actual: &[String]) -> String {
    let common_count = node.iter().zip(actual).take_while(|(a, b)| a == b).count();
    let mut text = format!("line {number}: {}\n", without_trace(line));
    for step in &node[..common_count] {
        let _ = writeln!(text, "    both  {step}");
    }
    let sides = [("node", node), ("ours", actual)];
    for (side, trace) in sides {
        let step = trace.get(common_count).map_or("(ends)", String::as_str);
        let _ = writeln!(text, "  > {side}  {step}");
    }
    for (side, trace) in sides {
        for step in trace.iter().skip(common_count + 1) {
            let _ = writeln!(text, "    {side}  {step}");
        }
    }
    text
}

/// Returns a script's line without the trace.
fn without_trace(line: &str) -> String {
    line.find(",\"trace\":")
        .map_or_else(|| line.to_owned(), |end| format!("{}}}", &line[..end]))
}

fn print_report(report: &ReplayReport) {
    println!(
        "{} scripts, {} divergences",
        report.scripts, report.divergences
    );
    println!(
        "recorded by Node {}, seed {}",
        report.header.node, report.header.seed
    );
    for (name, seen) in &report.step_counts {
        println!("{seen:>9} {name}");
    }
    if let Some(first_divergence) = &report.first_divergence {
        println!("\nFirst divergence: {first_divergence}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns a recording of one script.
    pub(super) fn with_script(script: &str) -> String {
        format!("{{\"format\":1,\"node\":\"v20\",\"seed\":1,\"count\":1}}\n{script}\n")
    }

    fn replay_text<S: Script>(text: &str) -> Result<ReplayReport, String> {
        replay::<S>(text.as_bytes(), "recorded")
    }

    /// Asserts that a recording replays without divergence and has at least this many
    /// steps of each kind, so that it exercises the rules.
    pub(super) fn assert_replays<S: Script>(recorded: &str, min_counts: &[usize]) {
        let report = replay_text::<S>(recorded).unwrap();
        assert_eq!(
            report.divergences,
            0,
            "{}",
            report.first_divergence.unwrap()
        );
        assert!(report.scripts >= 250);
        assert_eq!(report.step_counts.len(), min_counts.len());
        for ((name, seen), min_count) in report.step_counts.iter().zip(min_counts) {
            assert!(seen >= min_count, "{seen} {name}");
        }
    }

    /// Replays an invalid recording and returns the error.
    pub(super) fn error_of<S: Script>(text: &str) -> String {
        match replay_text::<S>(text) {
            Ok(_) => panic!("{text} was replayed without an error"),
            Err(message) => message,
        }
    }

    /// Asserts that a trace replays without divergence, and that each change to it
    /// causes a divergence.
    pub(super) fn assert_changes_diverge<S: Script>(
        script: impl Fn(&str) -> String,
        trace: &str,
        changes: &[(&str, &str)],
    ) {
        let report = replay_text::<S>(&with_script(&script(trace))).unwrap();
        assert_eq!(report.divergences, 0, "{:?}", report.first_divergence);
        for (from, to) in changes {
            let tampered = trace.replacen(from, to, 1);
            assert_ne!(tampered, trace, "the trace does not contain {from}");
            let report = replay_text::<S>(&with_script(&script(&tampered))).unwrap();
            assert_eq!(report.divergences, 1, "{tampered}");
            let first_divergence = report.first_divergence.unwrap();
            let expected = ["> node", "> ours", r#""operations":"#];
            assert!(
                expected.iter().all(|part| first_divergence.contains(part)),
                "{first_divergence}"
            );
            assert!(!first_divergence.contains("trace"), "{first_divergence}");
        }
    }

    #[test]
    fn invalid_input_is_reported_with_its_line() {
        let error_of = error_of::<events::Script>;
        assert!(
            error_of("")
                .contains("is empty; record scripts with `node tests/node/record-events.mjs`")
        );
        assert!(error_of("nonsense").starts_with("recorded:1: "));
        assert!(error_of(r#"{"format":9,"node":"v20","seed":1,"count":1}"#).contains("format 9"));
        assert!(error_of(&with_script("{")).starts_with("recorded:2: "));
        let header_only = with_script("").lines().next().unwrap().to_owned();
        assert!(error_of(&header_only).contains("is truncated: 0 of 1"));
    }
}
