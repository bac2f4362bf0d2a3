//! Recorded scripts of stream operations.

mod drain;
mod runner;
mod script;

use highwater::stream::Bound;

use super::StepKind;
pub(super) use script::Script;

impl super::Script for Script {
    const RECORDER_PATH: &str = "tests/node/record-streams.mjs";

    const STEP_KINDS: &[StepKind] = &[
        ("writes that return true", |step| step == "true"),
        ("writes that return false", |step| step == "false"),
        ("writes of multiple chunks", |step| {
            step.starts_with("give ") && step.contains('-')
        }),
        ("drains", |step| step == "drain"),
        ("finishes", |step| step == "finish"),
        ("errors", |step| step.starts_with("error ")),
    ];

    fn validate(&self) -> Result<(), String> {
        if self.answers.is_empty() {
            return Err("a script needs at least one answer".to_owned());
        }
        let bound: Result<Bound<u8>, _> = runner::bound(self);
        bound.map(drop).map_err(|error| error.to_string())
    }

    fn trace(&self) -> &[String] {
        &self.trace
    }

    fn run(&self) -> Vec<String> {
        runner::run(self)
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{assert_changes_diverge, assert_replays, error_of, with_script};
    use super::*;

    const RECORDING: &str = include_str!("../../node/streams.jsonl");

    #[test]
    fn recording_replays_without_divergence() {
        assert_replays::<Script>(RECORDING, &[800, 1_500, 30, 100, 50, 100]);
    }

    #[test]
    fn every_trace_difference_is_a_divergence() {
        let script = |trace: &str| {
            format!(
                r#"{{"highWaterMark":4,"objectMode":false,"writev":false,"answers":["later"],"operations":[["write",4],["done"],["end"]],"trace":[{trace}]}}"#
            )
        };
        let trace = r#""give 0","false","is 4 true","done 0","drain","is 0 false","finish","close","is 0 false""#;
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
        assert_changes_diverge::<Script>(script, trace, &changes);
    }

    #[test]
    fn invalid_script_is_reported() {
        let script = |mark: &str, answers: &str, operations: &str| {
            with_script(&format!(
                r#"{{"highWaterMark":{mark},"objectMode":true,"writev":false,"answers":[{answers}],"operations":[{operations}],"trace":[]}}"#
            ))
        };
        let message = error_of::<Script>(&script("1", "", ""));
        assert!(message.contains("at least one answer"), "{message}");
        let message = error_of::<Script>(&script("0", r#""now""#, ""));
        assert!(message.contains("high-water mark"), "{message}");
        let message = error_of::<Script>(&script("1", r#""now""#, r#"["write"]"#));
        assert!(message.contains("`write` needs a chunk size"), "{message}");
        let message = error_of::<Script>(&script("1", r#""now""#, r#"["writes",1]"#));
        assert!(message.contains("`writes`") && message.contains("`destroyWith`"));
        assert!(error_of::<Script>("").contains("record-streams.mjs"));
    }
}
