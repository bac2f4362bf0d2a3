//! What a run of `threads` must prove: by counts and by threads, never by how
//! long something took.

use crate::{
    scenario::{
        checks::{Check, Decision},
        scaling::{Facts, each_job_once, not_exercised, one_result},
    },
    trace::Trace,
};

pub(in crate::scenario) const ALL: &[Check] = &[
    Check {
        name: "each-job-once",
        decide: each_job_once,
    },
    Check {
        name: "one-result",
        decide: one_result,
    },
    Check {
        name: "off-the-loop",
        decide: off_the_loop,
    },
    Check {
        name: "several-threads",
        decide: several_threads,
    },
];

fn off_the_loop(trace: &Trace) -> Decision {
    let claim = "what is offloaded runs on other threads than the loop's";
    let facts = Facts::of(trace);
    if facts.offloaded == 0 {
        return not_exercised(claim, facts.why_not_offloaded(trace, "threads=2"));
    }
    Decision::Decided {
        claim: claim.to_owned(),
        holds: facts.offloaded == facts.let_in,
        evidence: format!("{} of {} jobs", facts.offloaded, facts.let_in),
    }
}

fn several_threads(trace: &Trace) -> Decision {
    let claim = "where there are several threads, several compute";
    let facts = Facts::of(trace);
    if facts.offloaded == 0 {
        return not_exercised(claim, facts.why_not_offloaded(trace, "threads=2"));
    }
    let jobs: u64 = trace.param("jobs").parse().unwrap_or(0);
    if facts.threads < 2 || jobs < 4 * facts.threads {
        return not_exercised(claim, "set threads=2, jobs=24");
    }
    Decision::Decided {
        claim: claim.to_owned(),
        holds: facts.most_of_a_pool > 1,
        evidence: format!(
            "at most {} threads, of {} that there were at once",
            facts.most_of_a_pool, facts.threads
        ),
    }
}
