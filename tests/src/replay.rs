//! `replay`: what Node recorded, done again by ours, and the two compared.

mod host;
mod script;

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, BufRead, BufReader, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use script::{Header, Script};

/// What to replay.
#[derive(clap::Subcommand)]
pub(crate) enum Replay {
    /// Scripts of emitter operations, against `highwater::events`
    Events {
        /// What `tests/node/record-events.mjs` wrote; `-` is standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
}

/// What came of a replay.
pub(crate) struct Report {
    pub(crate) scripts: u64,
    pub(crate) divergences: u64,
    /// The first divergence, in full.
    pub(crate) first: Option<String>,
    pub(crate) header: Header,
    pub(crate) seen: Seen,
}

/// How often the scripts went where it matters.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) calls: u64,
    pub(crate) nested: u64,
    pub(crate) thrown: u64,
    pub(crate) unheard: u64,
}

impl Replay {
    /// Exit code 1 for a divergence, 2 for a file that cannot be read.
    pub(crate) fn run(&self) -> ExitCode {
        let Replay::Events { file } = self;
        match replay_file(file) {
            Ok(report) => {
                print(&report);
                ExitCode::from(u8::from(report.divergences > 0))
            }
            Err(message) => {
                eprintln!("tests: {message}");
                ExitCode::from(2)
            }
        }
    }
}

fn replay_file(file: &Path) -> Result<Report, String> {
    if file == Path::new("-") {
        return replay(io::stdin().lock(), "standard input");
    }
    let name = file.display().to_string();
    let opened = File::open(file).map_err(|error| format!("{name}: {error}"))?;
    replay(BufReader::new(opened), &name)
}

/// Reads a line at a time: memory does not depend on their number.
pub(crate) fn replay(lines: impl BufRead, name: &str) -> Result<Report, String> {
    let mut lines = lines.lines().zip(1u64..);
    let header = match lines.next() {
        Some((Ok(line), _)) => {
            Header::parse(&line).map_err(|error| format!("{name}:1: {error}"))?
        }
        Some((Err(error), _)) => return Err(format!("{name}: {error}")),
        None => {
            return Err(format!(
                "{name} is empty: node tests/node/record-events.mjs writes scripts"
            ));
        }
    };
    let progress = progress(header.count);
    let mut report = Report {
        scripts: 0,
        divergences: 0,
        first: None,
        header,
        seen: Seen::default(),
    };
    for (line, number) in lines {
        let line = line.map_err(|error| format!("{name}:{number}: {error}"))?;
        let script = Script::parse(&line).map_err(|error| format!("{name}:{number}: {error}"))?;
        let ours = host::run(&script);
        report.scripts += 1;
        report.seen.add(&ours);
        if ours != script.trace {
            report.divergences += 1;
            report
                .first
                .get_or_insert_with(|| divergence(number, &line, &script.trace, &ours));
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
    let mut text = format!("line {number}: {}\n", script::without_trace(line));
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

fn print(report: &Report) {
    let Seen {
        calls,
        nested,
        thrown,
        unheard,
    } = report.seen;
    println!(
        "{} scripts, {} divergences",
        report.scripts, report.divergences
    );
    println!(
        "recorded by Node {}, seed {}: {calls} calls, {nested} of them in nested emits; \
         {thrown} emits threw, {unheard} of them an error that nobody heard",
        report.header.node, report.header.seed
    );
    if let Some(first) = &report.first {
        println!("\nThe first divergence, {first}");
    }
}

impl Seen {
    fn add(&mut self, trace: &[String]) {
        for step in trace {
            let words: Vec<&str> = step.split(' ').collect();
            match words[..] {
                ["call", _, _, depth] => {
                    self.calls += 1;
                    self.nested += u64::from(depth != "0");
                }
                ["thrown", _, message] => {
                    self.thrown += 1;
                    self.unheard += u64::from(message.starts_with('e'));
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORDED: &str = include_str!("../node/events.jsonl");

    fn replay_text(text: &str) -> Result<Report, String> {
        replay(text.as_bytes(), "recorded")
    }

    #[test]
    fn ours_does_what_node_did() {
        let report = replay_text(RECORDED).unwrap();
        assert_eq!(report.divergences, 0, "{}", report.first.unwrap());
        let Seen {
            calls,
            nested,
            thrown,
            unheard,
        } = report.seen;
        // A set that goes nowhere near the rules would prove nothing.
        assert!(report.scripts >= 250);
        assert!(calls > 2_000 && nested > 1_000 && thrown > 400 && unheard > 100);
    }

    /// The recorded set, with the script in line 2 replaced.
    fn with_script(script: &str) -> String {
        format!("{{\"format\":1,\"node\":\"v20\",\"seed\":1,\"count\":1}}\n{script}\n")
    }

    #[test]
    fn a_trace_that_differs_anywhere_is_a_divergence() {
        let script = |trace: &str| {
            with_script(&format!(
                r#"{{"behaviours":[[]],"operations":[["on","a"],["emit","a"]],"trace":[{trace}]}}"#
            ))
        };
        let whole = r#""has a=0 b= error=","call 0 a 0","true a","has a=0 b= error=""#;
        assert_eq!(replay_text(&script(whole)).unwrap().divergences, 0);
        for tampered in [
            whole.replace("call 0", "call 1"),
            whole.replace("true a", "false a"),
            whole.replace(r#""call 0 a 0","#, ""),
            whole.replace(r#","true a","has a=0 b= error=""#, ""),
            format!(r#"{whole},"true a""#),
        ] {
            let report = replay_text(&script(&tampered)).unwrap();
            assert_eq!(report.divergences, 1, "{tampered}");
            let first = report.first.unwrap();
            assert!(
                first.contains("> node") && first.contains("> ours"),
                "{first}"
            );
            assert!(first.contains(r#"["on","a"]"#), "{first}");
        }
    }

    #[test]
    fn bad_input_is_answered_with_its_line_and_what_is_wrong() {
        let wrong = |text: &str| match replay_text(text) {
            Ok(_) => panic!("{text} is fine"),
            Err(message) => message,
        };
        assert!(wrong("").contains("is empty"));
        assert!(wrong("nonsense").starts_with("recorded:1: "));
        assert!(wrong(r#"{"format":9,"node":"v20","seed":1,"count":1}"#).contains("format 9"));
        assert!(wrong(&with_script("{")).starts_with("recorded:2: "));
        let unknown = r#"{"behaviours":[[]],"operations":[["of",1]],"trace":[]}"#;
        let message = wrong(&with_script(unknown));
        assert!(
            message.contains("`of`") && message.contains("`off`"),
            "{message}"
        );
        let none = r#"{"behaviours":[],"operations":[],"trace":[]}"#;
        assert!(wrong(&with_script(none)).contains("behaviour"));
        let short = with_script(unknown).lines().next().unwrap().to_owned();
        assert!(wrong(&short).contains("ends early: 0 of 1"));
    }
}
