//! The checks of `cluster`.
//!
//! They depend on counts and record order, never on durations, so they hold in every
//! world.

mod requests;
mod workers;

use super::summary::ClusterSummary;
use crate::scenario::checks::{Check, CheckResult};

pub(super) const ALL: &[Check] = &[
    Check {
        name: "every-request-accounted",
        decide: requests::every_request_accounted,
    },
    Check {
        name: "failed-was-in-flight",
        decide: requests::failed_was_in_flight,
    },
    Check {
        name: "balanced",
        decide: requests::balanced,
    },
    Check {
        name: "another-process",
        decide: workers::another_process,
    },
    Check {
        name: "crash-replaced",
        decide: workers::crash_replaced,
    },
    Check {
        name: "hang-detected",
        decide: workers::hang_detected,
    },
    Check {
        name: "reload",
        decide: workers::reload,
    },
    Check {
        name: "gives-up",
        decide: workers::gives_up,
    },
];

/// Decides a check. The evidence mentions if only a sample is recorded.
fn decided(
    summary: &ClusterSummary,
    claim: String,
    holds: bool,
    mut evidence: String,
) -> CheckResult {
    let sample_every = summary.requests.sample_every;
    if sample_every > 1 {
        evidence.extend(["; recorded: 1 user in ", &sample_every.to_string()]);
    }
    CheckResult::Decided {
        claim,
        holds,
        evidence,
    }
}

fn not_exercised(claim: String, hint: &str) -> CheckResult {
    CheckResult::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}
