//! Scripts of emitter operations.

mod host;
mod script;

use std::fmt;

pub(super) use script::Script;

/// How often the scripts went where it matters.
#[derive(Default)]
pub(super) struct Seen {
    calls: u64,
    nested: u64,
    thrown: u64,
    unheard: u64,
}

impl super::Script for Script {
    type Seen = Seen;

    const RECORDER: &str = "tests/node/record-events.mjs";

    fn check(&self) -> Result<(), String> {
        if self.behaviours.is_empty() {
            return Err("a script needs at least one behaviour".to_owned());
        }
        Ok(())
    }

    fn trace(&self) -> &[String] {
        &self.trace
    }

    fn run(&self) -> Vec<String> {
        host::run(self)
    }

    fn see(seen: &mut Seen, trace: &[String]) {
        for step in trace {
            let words: Vec<&str> = step.split(' ').collect();
            match words[..] {
                ["call", _, _, depth] => {
                    seen.calls += 1;
                    seen.nested += u64::from(depth != "0");
                }
                ["thrown", _, message] => {
                    seen.thrown += 1;
                    seen.unheard += u64::from(message.starts_with('e'));
                }
                _ => {}
            }
        }
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Seen {
            calls,
            nested,
            thrown,
            unheard,
        } = self;
        write!(
            f,
            "{calls} calls, {nested} of them in nested emits; \
             {thrown} emits threw, {unheard} of them an error that nobody heard"
        )
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{diverges_if_changed, replay_text, with_script, wrong};
    use super::*;

    const RECORDED: &str = include_str!("../../node/events.jsonl");

    #[test]
    fn ours_does_what_node_did() {
        let report = replay_text::<Script>(RECORDED).unwrap();
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

    #[test]
    fn a_trace_that_differs_anywhere_is_a_divergence() {
        let script = |trace: &str| {
            format!(
                r#"{{"behaviours":[[]],"operations":[["on","a"],["emit","a"]],"trace":[{trace}]}}"#
            )
        };
        let whole = r#""has a=0 b= error=","call 0 a 0","true a","has a=0 b= error=""#;
        let changes = [
            ("call 0", "call 1"),
            ("true a", "false a"),
            (r#""call 0 a 0","#, ""),
            (r#","true a","has a=0 b= error=""#, ""),
            (r#""true a""#, r#""true a","true a""#),
        ];
        diverges_if_changed::<Script>(script, whole, &changes);
    }

    #[test]
    fn an_unknown_operation_is_answered_with_the_known_ones() {
        let unknown = r#"{"behaviours":[[]],"operations":[["of",1]],"trace":[]}"#;
        let message = wrong::<Script>(&with_script(unknown));
        assert!(
            message.contains("`of`") && message.contains("`off`"),
            "{message}"
        );
        let none = r#"{"behaviours":[],"operations":[],"trace":[]}"#;
        assert!(wrong::<Script>(&with_script(none)).contains("behaviour"));
    }
}
