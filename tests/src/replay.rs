//! `replay`: what Node recorded, done again by ours, and the two compared.

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

/// The version of the lines that are read.
const FORMAT: u32 = 1;

/// What to replay.
#[derive(clap::Subcommand)]
pub(crate) enum Replay {
    /// Scripts of emitter operations, against `highwater::events`
    Events {
        /// What `tests/node/record-events.mjs` wrote; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Scripts of stream operations, against the channel of `highwater::stream`
    Streams {
        /// What `tests/node/record-streams.mjs` wrote; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// Any line of a recording but the first.
trait Script: DeserializeOwned {
    /// The recorder of such scripts.
    const RECORDER: &str;

    /// Where it matters that the scripts go, and the steps of a trace that show
    /// that they did.
    const MARKS: &[Mark];

    /// Whether it makes sense.
    fn check(&self) -> Result<(), String>;

    /// What Node made of it.
    fn trace(&self) -> &[String];

    /// What ours makes of it.
    fn run(&self) -> Vec<String>;
}

/// A name for steps, and whether one is such a step.
type Mark = (&'static str, fn(&str) -> bool);

/// The first line of a recording.
#[derive(Deserialize)]
struct Header {
    format: u32,
    node: String,
    seed: u64,
    count: u64,
}

/// What came of a replay.
struct Report {
    scripts: u64,
    divergences: u64,
    /// The first divergence, in full.
    first: Option<String>,
    header: Header,
    /// How many steps there were of each mark.
    seen: Vec<(&'static str, usize)>,
}

impl Replay {
    /// Exit code 1 for a divergence, 2 for a file that cannot be read.
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

/// Prints the report, and returns the number of divergences.
fn replay_file<S: Script>(file: &Path) -> Result<u64, String> {
    let report = if file == Path::new("-") {
        replay::<S>(io::stdin().lock(), "standard input")?
    } else {
        let name = file.display().to_string();
        let opened = File::open(file).map_err(|error| format!("{name}: {error}"))?;
        replay::<S>(BufReader::new(opened), &name)?
    };
    print(&report);
    Ok(report.divergences)
}

/// Reads a line at a time: memory does not depend on their number.
fn replay<S: Script>(lines: impl BufRead, name: &str) -> Result<Report, String> {
    let mut lines = lines.lines().zip(1u64..);
    let header = match lines.next() {
        Some((Ok(line), _)) => {
            Header::parse(&line).map_err(|error| format!("{name}:1: {error}"))?
        }
        Some((Err(error), _)) => return Err(format!("{name}: {error}")),
        None => {
            let recorder = S::RECORDER;
            return Err(format!("{name} is empty: node {recorder} writes scripts"));
        }
    };
    let progress = progress(header.count);
    let mut report = Report {
        scripts: 0,
        divergences: 0,
        first: None,
        header,
        seen: S::MARKS.iter().map(|(name, _)| (*name, 0)).collect(),
    };
    for (line, number) in lines {
        let line = line.map_err(|error| format!("{name}:{number}: {error}"))?;
        let script: S = parse(&line).map_err(|error| format!("{name}:{number}: {error}"))?;
        let ours = script.run();
        report.scripts += 1;
        for ((_, seen), (_, is_such)) in report.seen.iter_mut().zip(S::MARKS) {
            *seen += ours.iter().filter(|step| is_such(step)).count();
        }
        if ours != script.trace() {
            report.divergences += 1;
            report
                .first
                .get_or_insert_with(|| divergence(number, &line, script.trace(), &ours));
        }
        progress.inc(1);
    }
    progress.finish_and_clear();
    if report.scripts != report.header.count {
        return Err(format!(
            "{name} ends early: {} of {} scripts",
            report.scripts, report.header.count
        ));
    }
    Ok(report)
}

fn parse<S: Script>(line: &str) -> Result<S, String> {
    let script: S = serde_json::from_str(line).map_err(|error| error.to_string())?;
    script.check()?;
    Ok(script)
}

impl Header {
    fn parse(line: &str) -> Result<Self, String> {
        let header: Header = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if header.format != FORMAT {
            let found = header.format;
            return Err(format!("format {found}: this reads format {FORMAT}"));
        }
        Ok(header)
    }
}

fn progress(count: u64) -> ProgressBar {
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

/// Both traces to where they part, and what each has next.
fn divergence(number: u64, line: &str, node: &[String], ours: &[String]) -> String {
    let same = node.iter().zip(ours).take_while(|(a, b)| a == b).count();
    let mut text = format!("line {number}: {}\n", without_trace(line));
    for step in &node[..same] {
        let _ = writeln!(text, "    both  {step}");
    }
    let sides = [("node", node), ("ours", ours)];
    for (who, trace) in sides {
        let step = trace.get(same).map_or("(ends)", String::as_str);
        let _ = writeln!(text, "  > {who}  {step}");
    }
    for (who, trace) in sides {
        for step in trace.iter().skip(same + 1) {
            let _ = writeln!(text, "    {who}  {step}");
        }
    }
    text
}

/// A script for people: without what came of it.
fn without_trace(line: &str) -> String {
    line.find(",\"trace\":")
        .map_or_else(|| line.to_owned(), |end| format!("{}}}", &line[..end]))
}

fn print(report: &Report) {
    println!(
        "{} scripts, {} divergences",
        report.scripts, report.divergences
    );
    println!(
        "recorded by Node {}, seed {}",
        report.header.node, report.header.seed
    );
    for (name, seen) in &report.seen {
        println!("{seen:>9} {name}");
    }
    if let Some(first) = &report.first {
        println!("\nThe first divergence, {first}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A recording of one script.
    pub(super) fn with_script(script: &str) -> String {
        format!("{{\"format\":1,\"node\":\"v20\",\"seed\":1,\"count\":1}}\n{script}\n")
    }

    fn replay_text<S: Script>(text: &str) -> Result<Report, String> {
        replay::<S>(text.as_bytes(), "recorded")
    }

    /// Sees that ours does what was recorded, in at least so many steps of each
    /// mark: a set that goes nowhere near the rules would prove nothing.
    pub(super) fn does_the_same<S: Script>(recorded: &str, least: &[usize]) {
        let report = replay_text::<S>(recorded).unwrap();
        assert_eq!(report.divergences, 0, "{}", report.first.unwrap());
        assert!(report.scripts >= 250);
        assert_eq!(report.seen.len(), least.len());
        for ((name, seen), least) in report.seen.iter().zip(least) {
            assert!(seen >= least, "{seen} {name}");
        }
    }

    /// What is wrong with it.
    pub(super) fn wrong<S: Script>(text: &str) -> String {
        match replay_text::<S>(text) {
            Ok(_) => panic!("{text} is fine"),
            Err(message) => message,
        }
    }

    /// Sees that ours diverges from a trace at each change of it, and not
    /// without one.
    pub(super) fn diverges_if_changed<S: Script>(
        script: impl Fn(&str) -> String,
        trace: &str,
        changes: &[(&str, &str)],
    ) {
        let report = replay_text::<S>(&with_script(&script(trace))).unwrap();
        assert_eq!(report.divergences, 0, "{:?}", report.first);
        for (from, to) in changes {
            let tampered = trace.replacen(from, to, 1);
            assert_ne!(tampered, trace, "{from} is in it");
            let report = replay_text::<S>(&with_script(&script(&tampered))).unwrap();
            assert_eq!(report.divergences, 1, "{tampered}");
            let first = report.first.unwrap();
            let said = ["> node", "> ours", r#""operations":"#];
            assert!(said.iter().all(|part| first.contains(part)), "{first}");
            assert!(!first.contains("trace"), "{first}");
        }
    }

    #[test]
    fn bad_input_is_answered_with_its_line_and_what_is_wrong() {
        let wrong = wrong::<events::Script>;
        assert!(wrong("").contains("is empty: node tests/node/record-events.mjs"));
        assert!(wrong("nonsense").starts_with("recorded:1: "));
        assert!(wrong(r#"{"format":9,"node":"v20","seed":1,"count":1}"#).contains("format 9"));
        assert!(wrong(&with_script("{")).starts_with("recorded:2: "));
        let short = with_script("").lines().next().unwrap().to_owned();
        assert!(wrong(&short).contains("ends early: 0 of 1"));
    }
}
