//! What a run of `backpressure` must prove.
//!
//! The predicates look at amounts and at the order of records, never at how
//! long something took, so they hold in every world.

use super::summary::BackpressureSummary;
use crate::{
    scenario::checks::{Check, CheckResult},
    trace::Trace,
};

pub(super) const ALL: &[Check] = &[
    Check {
        name: "every-chunk-accounted",
        decide: every_chunk_accounted,
    },
    Check {
        name: "peak-bounded",
        decide: peak_bounded,
    },
    Check {
        name: "peak-and-input",
        decide: peak_and_input,
    },
    Check {
        name: "resumes-at-low-mark",
        decide: resumes_at_low_mark,
    },
    Check {
        name: "error-stops-the-source",
        decide: error_stops_the_source,
    },
];

fn every_chunk_accounted(trace: &Trace) -> CheckResult {
    let summary = BackpressureSummary::of(trace);
    let (written, received) = (summary.written.len() as u64, summary.received.len() as u64);
    let offered = written + summary.refused;
    let in_order = summary.received.is_sorted() && summary.written.is_sorted();
    let failed = summary.failed.is_some();
    let left = written - received.min(written) - summary.dropped.min(written);
    let all: u64 = trace.param("chunks").parse().unwrap_or(0);
    CheckResult::Decided {
        claim: if failed {
            "every chunk written arrived, was dropped, or was in the buffer when the destination failed"
        } else {
            "every chunk arrives in order, or its loss is counted"
        }
        .to_owned(),
        holds: in_order
            && received > 0
            && if failed {
                left * summary.chunk == summary.level
            } else {
                offered == all && left == 0
            },
        evidence: format!(
            "{written} written, {received} taken, {} dropped, {} refused, {left} left",
            summary.dropped, summary.refused
        ),
    }
}

/// What is queued never weighs more than the mark and one chunk.
fn peak_bounded(trace: &Trace) -> CheckResult {
    let claim = "the buffer never holds more than its high-water mark and one chunk".to_owned();
    let summary = BackpressureSummary::of(trace);
    if trace.param("heed") == "ignore" {
        return not_exercised(claim, "nobody heeds the mark: set heed=wait");
    }
    CheckResult::Decided {
        claim,
        holds: summary.mark > 0 && summary.peak() <= summary.mark + summary.chunk,
        evidence: format!(
            "at most {} of {} and {}",
            kib(summary.peak()),
            kib(summary.mark),
            kib(summary.chunk)
        ),
    }
}

/// Twice the input: the same peak, or whatever has piled up.
fn peak_and_input(trace: &Trace) -> CheckResult {
    let ignores = trace.param("heed") == "ignore";
    let claim = if ignores {
        "ignored, the mark bounds nothing: the buffer holds all that is not taken yet"
    } else {
        "the peak does not depend on how much input there is"
    }
    .to_owned();
    let summary = BackpressureSummary::of(trace);
    let [first, second] = summary.peaks;
    let bound = summary.mark + summary.chunk;
    if ignores && summary.peak() <= bound {
        let hint = "the destination kept up: set write=45, read=15, mark=64";
        return not_exercised(claim, hint);
    }
    if !ignores && (first < summary.mark || summary.mark == 0) {
        let hint = "the first half never reached the mark: set chunks=60, read=15, write=45";
        return not_exercised(claim, hint);
    }
    CheckResult::Decided {
        claim,
        holds: if ignores {
            summary.level_mismatches == 0
        } else {
            first <= bound && second <= bound
        },
        evidence: format!(
            "at most {} in the first half of the input, {} in the second; the mark is at {}",
            kib(first),
            kib(second),
            kib(summary.mark)
        ),
    }
}

/// Waking for each chunk of room would cost a change of tasks for each.
fn resumes_at_low_mark(trace: &Trace) -> CheckResult {
    let claim = "a source that waits goes on when half of the mark is drained".to_owned();
    let summary = BackpressureSummary::of(trace);
    if summary.levels_at_resume.is_empty() {
        return not_exercised(
            claim,
            "the source never waited: set heed=wait, overflow=wait, write=45",
        );
    }
    let low = summary.mark / 2;
    let well = summary
        .levels_at_resume
        .iter()
        .filter(|level| **level <= low);
    let (well, all) = (well.count(), summary.levels_at_resume.len());
    CheckResult::Decided {
        claim,
        holds: well == all,
        evidence: format!("{well} of {all} waits ended at {} or less", kib(low)),
    }
}

/// Nobody goes on writing to who is gone.
fn error_stops_the_source(trace: &Trace) -> CheckResult {
    let claim = "when the destination fails, the source stops and both are closed".to_owned();
    let summary = BackpressureSummary::of(trace);
    if summary.failed.is_none() {
        return not_exercised(claim, "nothing failed: set inject=error");
    }
    CheckResult::Decided {
        claim,
        holds: summary.written_after == 0 && summary.opened == 2 && summary.closed == 2,
        evidence: format!(
            "{} chunks written after the failure; {} of {} closed",
            summary.written_after, summary.closed, summary.opened
        ),
    }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}

fn not_exercised(claim: String, hint: &str) -> CheckResult {
    CheckResult::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}
