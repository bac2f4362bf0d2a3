//! What a run of `cluster` must prove.
//!
//! The predicates look at counts and at the order of records, never at how
//! long something took, so they hold in every world.

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
        name: "everybody-in-turn",
        decide: requests::everybody_in_turn,
    },
    Check {
        name: "another-process",
        decide: workers::another_process,
    },
    Check {
        name: "who-ends-is-replaced",
        decide: workers::who_ends_is_replaced,
    },
    Check {
        name: "who-hangs-is-found",
        decide: workers::who_hangs_is_found,
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

/// What is shown by requests says of how many it is.
fn decided(
    summary: &ClusterSummary,
    claim: String,
    holds: bool,
    mut evidence: String,
) -> CheckResult {
    let one_of = summary.requests.one_of;
    if one_of > 1 {
        evidence.extend(["; on record is one user of ", &one_of.to_string()]);
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
