//! What a run of `blocking` must prove.
//!
//! The predicates look at counts and at the order of records, never at how long
//! something took, so they hold in every world. Only whether there was time
//! enough to see something depends on that.

use crate::{
    scenario::{
        checks::{Check, CheckResult},
        scaling::{ScalingSummary, each_job_once, not_exercised, one_result},
    },
    trace::Trace,
};

pub(in crate::scenario) const ALL: &[Check] = &[
    Check {
        name: "every-request-answered",
        decide: every_request_answered,
    },
    Check {
        name: "no-beat-while-held",
        decide: no_beat_while_held,
    },
    Check {
        name: "beats-while-offloaded",
        decide: beats_while_offloaded,
    },
    Check {
        name: "each-job-once",
        decide: each_job_once,
    },
    Check {
        name: "queue-bounded",
        decide: queue_bounded,
    },
    Check {
        name: "one-result",
        decide: one_result,
    },
];

fn every_request_answered(trace: &Trace) -> CheckResult {
    let summary = ScalingSummary::of(trace);
    let answered = summary.answered + summary.turned_away;
    CheckResult::Decided {
        claim: "every request is answered, or turned away at once".to_owned(),
        holds: summary.requests > 0
            && summary.requests == answered
            && summary.turned_away == summary.refused,
        evidence: format!(
            "{} requests, {} answered, {} turned away",
            summary.requests, summary.answered, summary.turned_away
        ),
    }
}

fn no_beat_while_held(trace: &Trace) -> CheckResult {
    let claim = "while a job holds the loop, nothing else happens on it: no heartbeat, no answer";
    let summary = ScalingSummary::of(trace);
    if summary.held == 0 {
        return not_exercised(claim, "no job ran on the loop: set run=loop, every=20");
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.while_held == 0 && summary.beats > 0,
        evidence: format!(
            "jobs on the loop: {}, other records of the loop meanwhile: {}; {} heartbeats in all",
            summary.held, summary.while_held, summary.beats
        ),
    }
}

fn beats_while_offloaded(trace: &Trace) -> CheckResult {
    let claim = "while jobs run on threads, the heartbeat goes on";
    let summary = ScalingSummary::of(trace);
    if summary.offloaded == 0 {
        return not_exercised(
            claim,
            summary.why_not_offloaded(trace, "run=offloaded, every=20"),
        );
    }
    // A machine may be busy with something else for one interval, or for five.
    if summary.computing < 10 * summary.interval {
        return not_exercised(claim, "the jobs were over within ten beats: set size=600");
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.beats_meanwhile > 0,
        evidence: format!(
            "jobs on threads: {}, heartbeats meanwhile: {}",
            summary.offloaded, summary.beats_meanwhile
        ),
    }
}

fn queue_bounded(trace: &Trace) -> CheckResult {
    let claim = "never more jobs are let in than run and wait; the rest is turned away";
    let summary = ScalingSummary::of(trace);
    if trace.param("run") != "offloaded" || summary.let_in + summary.refused == 0 {
        return not_exercised(claim, "nothing was offloaded: set run=offloaded, every=20");
    }
    let queue: u64 = trace.param("queue").parse().unwrap_or(0);
    // Where there are no threads, the loop is the one that takes jobs.
    let bound = summary.threads.max(1) + queue;
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.most_let_in <= bound,
        evidence: format!(
            "at most {} of {bound} at once; {} let in, {} turned away",
            summary.most_let_in, summary.let_in, summary.refused
        ),
    }
}
