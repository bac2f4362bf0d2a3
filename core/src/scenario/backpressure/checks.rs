//! The checks of `backpressure`.
//!
//! They depend on amounts and record order, never on durations, so they hold in every
//! world.

use super::summary::BackpressureSummary;
use crate::{
    scenario::checks::{Check, CheckResult},
    trace::Trace,
};

pub(super) const ALL: &[Check] = &[
    Check::new("every-chunk-accounted", every_chunk_accounted),
    Check::new("peak-bounded", peak_bounded),
    Check::new("peak-and-input", peak_and_input),
    Check::new("resumes-at-low-mark", resumes_at_low_mark),
    Check::new("error-stops-the-source", error_stops_the_source),
];

fn every_chunk_accounted(trace: &Trace) -> CheckResult {
    let summary = BackpressureSummary::of(trace);
    let (written, received) = (summary.written.len() as u64, summary.received.len() as u64);
    let offered_count = written + summary.rejected_count;
    let is_in_order = summary.received.is_sorted() && summary.written.is_sorted();
    let has_failed = summary.failed_at.is_some();
    let buffered = written - received.min(written) - summary.dropped_count.min(written);
    let all: u64 = trace.param("chunks").parse().unwrap_or(0);
    CheckResult::Decided {
        claim: if has_failed {
            "every chunk was received, dropped, or buffered when the destination failed"
        } else {
            "every chunk arrives in order, or its loss is counted"
        }
        .to_owned(),
        holds: is_in_order
            && received > 0
            && if has_failed {
                buffered * summary.chunk == summary.level
            } else {
                offered_count == all && buffered == 0
            },
        evidence: format!(
            "{written} written, {received} received, {} dropped, {} rejected, {buffered} buffered",
            summary.dropped_count, summary.rejected_count
        ),
    }
}

/// The buffer level never exceeds the high-water mark plus one chunk.
fn peak_bounded(trace: &Trace) -> CheckResult {
    let claim = "the buffer never holds more than its high-water mark plus one chunk".to_owned();
    let summary = BackpressureSummary::of(trace);
    if trace.param("heed") == "ignore" {
        return CheckResult::not_exercised(claim, "the mark is ignored: set heed=wait");
    }
    CheckResult::Decided {
        claim,
        holds: summary.high_water_mark > 0
            && summary.peak() <= summary.high_water_mark + summary.chunk,
        evidence: format!(
            "peak {}; mark {}, chunk {}",
            kib(summary.peak()),
            kib(summary.high_water_mark),
            kib(summary.chunk)
        ),
    }
}

/// The peak is bounded by the mark. If the mark is ignored, the peak equals the
/// backlog.
fn peak_and_input(trace: &Trace) -> CheckResult {
    let ignores_mark = trace.param("heed") == "ignore";
    let claim = if ignores_mark {
        "with the mark ignored, the buffer holds everything not yet received"
    } else {
        "the peak does not depend on the amount of input"
    }
    .to_owned();
    let summary = BackpressureSummary::of(trace);
    let [first, second] = summary.peaks;
    let bound = summary.high_water_mark + summary.chunk;
    if ignores_mark && summary.peak() <= bound {
        let hint = "the destination kept up: set write=45, read=15, mark=64";
        return CheckResult::not_exercised(claim, hint);
    }
    if !ignores_mark && (first < summary.high_water_mark || summary.high_water_mark == 0) {
        let hint = "the first half never reached the mark: set chunks=60, read=15, write=45";
        return CheckResult::not_exercised(claim, hint);
    }
    CheckResult::Decided {
        claim,
        holds: if ignores_mark {
            summary.level_mismatches == 0
        } else {
            first <= bound && second <= bound
        },
        evidence: format!(
            "peak {} in the first half of the input, {} in the second; mark {}",
            kib(first),
            kib(second),
            kib(summary.high_water_mark)
        ),
    }
}

/// Resuming at half the mark avoids a task switch per chunk.
fn resumes_at_low_mark(trace: &Trace) -> CheckResult {
    let claim = "a waiting source resumes at half the mark".to_owned();
    let summary = BackpressureSummary::of(trace);
    if summary.levels_at_resume.is_empty() {
        return CheckResult::not_exercised(
            claim,
            "the source never waited: set heed=wait, overflow=wait, write=45",
        );
    }
    let low = summary.high_water_mark / 2;
    let resumed_at_low_mark = summary
        .levels_at_resume
        .iter()
        .filter(|level| **level <= low);
    let (resumed_at_low_mark, all) = (resumed_at_low_mark.count(), summary.levels_at_resume.len());
    CheckResult::Decided {
        claim,
        holds: resumed_at_low_mark == all,
        evidence: format!(
            "{resumed_at_low_mark} of {all} waits ended at {} or less",
            kib(low)
        ),
    }
}

/// A failed destination stops the source.
fn error_stops_the_source(trace: &Trace) -> CheckResult {
    let claim = "when the destination fails, the source stops and both are closed".to_owned();
    let summary = BackpressureSummary::of(trace);
    if summary.failed_at.is_none() {
        return CheckResult::not_exercised(claim, "nothing failed: set inject=error");
    }
    CheckResult::Decided {
        claim,
        holds: summary.written_after_failure == 0
            && summary.opened_count == 2
            && summary.closed_count == 2,
        evidence: format!(
            "{} chunks written after the failure; {} of {} closed",
            summary.written_after_failure, summary.closed_count, summary.opened_count
        ),
    }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}
