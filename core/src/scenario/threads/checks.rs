//! The checks of `threads`. They use counts and threads but no durations.

use crate::{
    scenario::{
        checks::{Check, CheckResult},
        scaling::{ScalingSummary, each_job_once, one_result},
    },
    trace::Trace,
};

pub(in crate::scenario) const ALL: &[Check] = &[
    Check::new("each-job-once", each_job_once),
    Check::new("one-result", one_result),
    Check::new("off-the-loop", off_the_loop),
    Check::new("several-threads", several_threads),
];

fn off_the_loop(trace: &Trace) -> CheckResult {
    let claim = "offloaded jobs run off the loop's thread";
    let summary = ScalingSummary::of(trace);
    if summary.offloaded_jobs == 0 {
        return CheckResult::not_exercised(claim, summary.why_not_offloaded(trace, "threads=2"));
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.offloaded_jobs == summary.accepted,
        evidence: format!("{} of {} jobs", summary.offloaded_jobs, summary.accepted),
    }
}

fn several_threads(trace: &Trace) -> CheckResult {
    let claim = "with several threads, more than one runs jobs";
    let summary = ScalingSummary::of(trace);
    if summary.offloaded_jobs == 0 {
        return CheckResult::not_exercised(claim, summary.why_not_offloaded(trace, "threads=2"));
    }
    let jobs: u64 = trace.param("jobs").parse().unwrap_or(0);
    if summary.threads < 2 || jobs < 4 * summary.threads {
        return CheckResult::not_exercised(claim, "set threads=2, jobs=24");
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.max_threads_used > 1,
        evidence: format!(
            "at most {} of {} threads ran jobs",
            summary.max_threads_used, summary.threads
        ),
    }
}
