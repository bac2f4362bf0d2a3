//! Scripts of stream operations.

mod host;
mod script;

use std::fmt;

use highwater::stream::Bound;

pub(super) use script::Script;

/// How often the scripts went where it matters.
#[derive(Default)]
pub(super) struct Seen {
    written: u64,
    gathered: u64,
    refused: u64,
    drained: u64,
    finished: u64,
    failed: u64,
}

impl super::Script for Script {
    type Seen = Seen;

    const RECORDER: &str = "tests/node/record-streams.mjs";

    fn check(&self) -> Result<(), String> {
        if self.answers.is_empty() {
            return Err("a script needs at least one answer".to_owned());
        }
        let bound: Result<Bound<u8>, _> = host::bound(self);
        bound.map(drop).map_err(|error| error.to_string())
    }

    fn trace(&self) -> &[String] {
        &self.trace
    }

    fn run(&self) -> Vec<String> {
        host::run(self)
    }

    fn see(seen: &mut Seen, trace: &[String]) {
        for step in trace {
            let (word, rest) = step.split_once(' ').unwrap_or((step, ""));
            let count = match word {
                "true" => &mut seen.written,
                "give" if rest.contains('-') => &mut seen.gathered,
                "false" => &mut seen.refused,
                "drain" => &mut seen.drained,
                "finish" => &mut seen.finished,
                "error" => &mut seen.failed,
                _ => continue,
            };
            *count += 1;
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen {
            written,
            gathered,
            refused,
            drained,
            finished,
            failed,
        } = self;
        write!(
            f,
            "{written} writes were true and {refused} false, {gathered} gave many chunks at once; \
             {drained} drains, {finished} finished, {failed} failed"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{diverges_if_changed, replay_text, with_script, wrong};
    use super::*;

    const RECORDED: &str = include_str!("../../node/streams.jsonl");

    #[test]
    fn ours_does_what_node_did() {
        let report = replay_text::<Script>(RECORDED).unwrap();
        assert_eq!(report.divergences, 0, "{}", report.first.unwrap());
        let Seen {
            written,
            gathered,
            refused,
            drained,
            finished,
            failed,
        } = report.seen;
        // A set that goes nowhere near the rules would prove nothing.
        assert!(report.scripts >= 300);
        assert!(written > 800 && refused > 1_500 && gathered > 30);
        assert!(drained > 100 && finished > 50 && failed > 100);
    }

    #[test]
    fn a_trace_that_differs_anywhere_is_a_divergence() {
        let script = |trace: &str| {
            format!(
                r#"{{"highWaterMark":4,"objectMode":false,"writev":false,"answers":["later"],"operations":[["write",4],["done"],["end"]],"trace":[{trace}]}}"#
            )
        };
        let whole = r#""give 0","false","is 4 true","done 0","drain","is 0 false","finish","close","is 0 false""#;
        let changes = [
            ("give 0", "give 1"),
            ("done 0", "done 1"),
            (r#""false""#, r#""true""#),
            ("is 4", "is 0"),
            ("true", "false"),
            (r#""drain","#, ""),
            (r#""finish","close""#, r#""close","finish""#),
            (r#","close","is 0 false""#, ""),
        ];
        diverges_if_changed::<Script>(script, whole, &changes);
    }

    #[test]
    fn a_script_that_makes_no_sense_is_answered_with_what_is_wrong() {
        let script = |mark: &str, answers: &str, operations: &str| {
            with_script(&format!(
                r#"{{"highWaterMark":{mark},"objectMode":true,"writev":false,"answers":[{answers}],"operations":[{operations}],"trace":[]}}"#
            ))
        };
        let message = wrong::<Script>(&script("1", "", ""));
        assert!(message.contains("at least one answer"), "{message}");
        let message = wrong::<Script>(&script("0", r#""now""#, ""));
        assert!(message.contains("high-water mark"), "{message}");
        let message = wrong::<Script>(&script("1", r#""now""#, r#"["write"]"#));
        assert!(message.contains("`write` needs the size"), "{message}");
        let message = wrong::<Script>(&script("1", r#""now""#, r#"["writes",1]"#));
        assert!(message.contains("`writes`") && message.contains("`destroyWith`"));
        assert!(wrong::<Script>("").contains("record-streams.mjs"));
    }
}
