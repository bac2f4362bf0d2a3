//! The checks of `handler`.
//!
//! They depend on counts and record order, never on durations, so they hold in every
//! world.

mod bugs;
mod requests;

use crate::{
    scenario::checks::{Check, CheckResult},
    trace::Trace,
};

pub(super) const ALL: &[Check] = &[
    Check {
        name: "every-request-accounted",
        decide: requests::every_request_accounted,
    },
    Check {
        name: "operational-restarts-nothing",
        decide: bugs::operational_restarts_nothing,
    },
    Check {
        name: "bug-and-restart",
        decide: bugs::bug_and_restart,
    },
    Check {
        name: "another-process",
        decide: bugs::another_process,
    },
    Check {
        name: "wrong-answers",
        decide: bugs::wrong_answers,
    },
    Check {
        name: "retrying-a-bug",
        decide: bugs::retrying_a_bug,
    },
    Check {
        name: "gives-up",
        decide: bugs::gives_up,
    },
    Check {
        name: "nothing-exposed",
        decide: requests::nothing_exposed,
    },
    Check {
        name: "logged-once",
        decide: requests::logged_once,
    },
];

const NO_BUG: &str = "no request hit the bug: set bug_every=20";

/// A worker's policy for bugs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum BugPolicy {
    Supervise,
    Crash,
    Swallow,
}

fn policy(trace: &Trace) -> BugPolicy {
    match trace.param("policy") {
        "crash" => BugPolicy::Crash,
        "swallow" => BugPolicy::Swallow,
        _ => BugPolicy::Supervise,
    }
}

fn not_exercised(claim: String, hint: &str) -> CheckResult {
    CheckResult::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}
