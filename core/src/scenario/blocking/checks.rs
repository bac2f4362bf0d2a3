//! The checks of `blocking`.
//!
//! They depend on counts and record order, so they hold in every world. Durations
//! decide only whether a run was long enough to be checked.

use crate::{
    scenario::{
        checks::{Check, CheckResult},
        scaling::{ScalingSummary, each_job_once, one_result},
    },
    trace::Trace,
};

pub(in crate::scenario) const ALL: &[Check] = &[
    Check::new("every-request-answered", every_request_answered),
    Check::new("no-beat-while-blocked", no_beat_while_blocked),
    Check::new("beats-while-offloaded", beats_while_offloaded),
    Check::new("each-job-once", each_job_once),
    Check::new("queue-bounded", queue_bounded),
    Check::new("one-result", one_result),
];

fn every_request_answered(trace: &Trace) -> CheckResult {
    let summary = ScalingSummary::of(trace);
    let answered = summary.answered + summary.rejected;
    CheckResult::Decided {
        claim: "every request is answered or rejected immediately".to_owned(),
        holds: summary.requests > 0
            && summary.requests == answered
            && summary.rejected == summary.rejected_jobs,
        evidence: format!(
            "{} requests, {} answered, {} rejected",
            summary.requests, summary.answered, summary.rejected
        ),
    }
}

fn no_beat_while_blocked(trace: &Trace) -> CheckResult {
    let claim = "while a job blocks the loop, nothing else runs on it";
    let summary = ScalingSummary::of(trace);
    if summary.loop_jobs == 0 {
        return CheckResult::not_exercised(claim, "no job ran on the loop: set run=loop, every=20");
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.records_while_blocked == 0 && summary.beats > 0,
        evidence: format!(
            "{} jobs on the loop, {} other records during them; {} heartbeats in total",
            summary.loop_jobs, summary.records_while_blocked, summary.beats
        ),
    }
}

fn beats_while_offloaded(trace: &Trace) -> CheckResult {
    let claim = "the heartbeat continues while jobs run on threads";
    let summary = ScalingSummary::of(trace);
    if summary.offloaded_jobs == 0 {
        return CheckResult::not_exercised(
            claim,
            summary.why_not_offloaded(trace, "run=offloaded, every=20"),
        );
    }
    // Other load on the machine may delay several heartbeats.
    if summary.compute_time < 10 * summary.interval {
        return CheckResult::not_exercised(
            claim,
            "the jobs took less than ten beats: set size=600",
        );
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.beats_while_offloaded > 0,
        evidence: format!(
            "{} jobs on threads, {} heartbeats during them",
            summary.offloaded_jobs, summary.beats_while_offloaded
        ),
    }
}

fn queue_bounded(trace: &Trace) -> CheckResult {
    let claim = "jobs that fit neither threads nor queue are rejected";
    let summary = ScalingSummary::of(trace);
    if trace.param("run") != "offloaded" || summary.accepted + summary.rejected_jobs == 0 {
        return CheckResult::not_exercised(
            claim,
            "nothing was offloaded: set run=offloaded, every=20",
        );
    }
    let queue: u64 = trace.param("queue").parse().unwrap_or(0);
    // Without threads, the loop runs one job at a time.
    let bound = summary.threads.max(1) + queue;
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.max_accepted <= bound,
        evidence: format!(
            "at most {} of {bound} at once; {} accepted, {} rejected",
            summary.max_accepted, summary.accepted, summary.rejected_jobs
        ),
    }
}
