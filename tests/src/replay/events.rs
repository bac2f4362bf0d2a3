//! Recorded scripts of emitter operations.

mod runner;
mod script;

use super::StepKind;
pub(super) use script::Script;

impl super::Script for Script {
    const RECORDER_PATH: &str = "tests/node/record-events.mjs";

    const STEP_KINDS: &[StepKind] = &[
        ("calls", |step| step.starts_with("call ")),
        ("calls in nested emits", |step| {
            step.starts_with("call ") && !step.ends_with(" 0")
        }),
        ("emits that throw", |step| step.starts_with("thrown ")),
        ("errors without an error listener", |step| {
            let message = step.rsplit(' ').next();
            step.starts_with("thrown ") && message.is_some_and(|message| message.starts_with('e'))
        }),
    ];

    fn validate(&self) -> Result<(), String> {
        if self.behaviours.is_empty() {
            return Err("a script needs at least one behaviour".to_owned());
        }
        Ok(())
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

    const RECORDING: &str = include_str!("../../node/events.jsonl");

    #[test]
    fn recording_replays_without_divergence() {
        assert_replays::<Script>(RECORDING, &[2_000, 1_000, 400, 100]);
    }

    #[test]
    fn every_trace_difference_is_a_divergence() {
        let script = |trace: &str| {
            format!(
                r#"{{"behaviours":[[]],"operations":[["on","a"],["emit","a"]],"trace":[{trace}]}}"#
            )
        };
        let trace = r#""has a=0 b= error=","call 0 a 0","true a","has a=0 b= error=""#;
        let changes = [
            ("call 0", "call 1"),
            ("true a", "false a"),
            (r#""call 0 a 0","#, ""),
            (r#","true a","has a=0 b= error=""#, ""),
            (r#""true a""#, r#""true a","true a""#),
        ];
        assert_changes_diverge::<Script>(script, trace, &changes);
    }

    #[test]
    fn unknown_operation_error_lists_the_operations() {
        let unknown_operation = r#"{"behaviours":[[]],"operations":[["of",1]],"trace":[]}"#;
        let message = error_of::<Script>(&with_script(unknown_operation));
        assert!(
            message.contains("`of`") && message.contains("`off`"),
            "{message}"
        );
        let no_behaviours = r#"{"behaviours":[],"operations":[],"trace":[]}"#;
        assert!(error_of::<Script>(&with_script(no_behaviours)).contains("behaviour"));
    }
}
