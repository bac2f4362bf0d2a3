//! Checks: the claims that a trace must prove.

use crate::trace::Trace;
use serde::Serialize;

/// A named claim about a trace, valid in every world.
#[derive(Debug)]
pub struct Check {
    /// The name in results.
    pub name: &'static str,
    /// Evaluates the claim. It may assume a complete trace, since
    /// [`judge`](Self::judge) fails incomplete ones regardless of its result.
    pub decide: fn(&Trace) -> CheckResult,
}

/// The result of evaluating a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// The trace shows whether the claim holds.
    Decided {
        /// The claim.
        claim: String,
        /// `true` if the claim holds.
        holds: bool,
        /// The supporting counts.
        evidence: String,
    },
    /// This run cannot confirm or refute the claim.
    NotExercised {
        /// The claim.
        claim: String,
        /// The reason, and the parameters that would exercise the claim.
        hint: String,
    },
}

impl CheckResult {
    /// Creates a [`NotExercised`](Self::NotExercised) result.
    pub fn not_exercised(claim: impl Into<String>, hint: impl Into<String>) -> Self {
        CheckResult::NotExercised {
            claim: claim.into(),
            hint: hint.into(),
        }
    }
}

/// A check's reported result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// The check's name.
    pub check: &'static str,
    /// The result.
    pub outcome: Outcome,
    /// The claim, in one sentence.
    pub claim: String,
    /// The supporting counts, or the parameters that would exercise the claim.
    pub evidence: String,
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// The claim holds.
    Passed,
    /// The claim does not hold, or the trace is incomplete.
    Failed,
    /// The run did not exercise the claim.
    NotExercised,
}

impl Check {
    /// Creates a check.
    #[must_use]
    pub const fn new(name: &'static str, decide: fn(&Trace) -> CheckResult) -> Self {
        Check { name, decide }
    }

    /// Judges a trace. An incomplete trace fails.
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
