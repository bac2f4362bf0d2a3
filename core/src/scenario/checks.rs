//! What a trace must prove.

use crate::trace::Trace;
use serde::Serialize;

/// A named predicate over a trace. It holds in every world.
#[derive(Debug)]
pub struct Check {
    /// Its name in results.
    pub name: &'static str,
    /// Decides it. It may take the trace to be whole: where it is not,
    /// [`judge`](Self::judge) overrules it.
    pub decide: fn(&Trace) -> CheckResult,
}

/// What a check found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The claim, whether it holds, and the counts that show it.
    Decided {
        /// What must hold.
        claim: String,
        /// Whether it does.
        holds: bool,
        /// The counts.
        evidence: String,
    },
    /// These parameters cannot show it either way.
    NotExercised {
        /// What would have to hold.
        claim: String,
        /// What to set to see it.
        hint: String,
    },
}

/// A check's result for people and programs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The check's name.
    pub check: &'static str,
    /// The result.
    pub outcome: Outcome,
    /// What must hold, as a sentence.
    pub claim: String,
    /// The counts that show it, or what to set to see it.
    pub evidence: String,
}

/// A check's result in a word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The claim holds.
    Passed,
    /// It does not, or the trace is not whole.
    Failed,
    /// These parameters cannot show it.
    NotExercised,
}

impl Check {
    /// Decides the check; a trace that is not whole proves nothing.
    #[must_use]
    pub fn judge(&self, trace: &Trace) -> Verdict {
        let verdict = |outcome, claim, evidence| Verdict {
            check: self.name,
            outcome,
            claim,
            evidence,
        };
        match (self.decide)(trace) {
            CheckResult::Decided { claim, .. } | CheckResult::NotExercised { claim, .. }
                if trace.died.is_some() || trace.dropped > 0 =>
            {
                verdict(Outcome::Failed, claim, incomplete(trace))
            }
            CheckResult::Decided {
                claim,
                holds,
                evidence,
            } => {
                let outcome = if holds {
                    Outcome::Passed
                } else {
                    Outcome::Failed
                };
                verdict(outcome, claim, evidence)
            }
            CheckResult::NotExercised { claim, hint } => {
                verdict(Outcome::NotExercised, claim, hint)
            }
        }
    }
}

fn incomplete(trace: &Trace) -> String {
    match &trace.died {
        Some(cause) => format!("not shown: the run died ({cause})"),
        None => format!("not shown: {} records were dropped", trace.dropped),
    }
}
