//! The checks of `pipeline`.
//!
//! They depend on amounts and record order, never on durations, so they hold in every
//! world.

use super::summary::PipelineSummary;
use crate::{
    scenario::checks::{Check, CheckResult},
    trace::Trace,
};

pub(super) const ALL: &[Check] = &[
    Check::new("in-order-and-complete", in_order_and_complete),
    Check::new("memory-bounded", memory_bounded),
    Check::new("window-bounded", window_bounded),
    Check::new("first-error-named", first_error_named),
    Check::new("everything-ended", everything_ended),
    Check::new("nothing-half-written", nothing_half_written),
];

fn in_order_and_complete(trace: &Trace) -> CheckResult {
    let summary = PipelineSummary::of(trace);
    let fails = trace.param("fail") != "none";
    let written = summary.written.len() as u64;
    let is_in_order = summary.written.iter().copied().eq(1..=written);
    CheckResult::Decided {
        claim: if fails {
            "batches before the failure are written in order"
        } else {
            "every batch is written in order, then the output is committed"
        }
        .to_owned(),
        holds: is_in_order
            && if fails {
                written < summary.batches && summary.commit_count == 0
            } else {
                written == summary.batches && summary.commit_count == 1 && summary.cause.is_none()
            },
        evidence: format!("{written} of {} batches written", summary.batches),
    }
}

fn memory_bounded(trace: &Trace) -> CheckResult {
    let claim =
        "reading never runs ahead by more than the high-water mark plus one chunk".to_owned();
    let summary = PipelineSummary::of(trace);
    if summary.high_water_mark == 0 {
        return CheckResult::not_exercised(claim, "there is no buffer: set connect=pipeline");
    }
    CheckResult::Decided {
        claim,
        holds: summary.peak <= summary.high_water_mark + summary.chunk,
        evidence: format!(
            "peak {} bytes; mark {}, chunk {}",
            summary.peak, summary.high_water_mark, summary.chunk
        ),
    }
}

fn window_bounded(trace: &Trace) -> CheckResult {
    let summary = PipelineSummary::of(trace);
    let is_piped = trace.param("connect") == "pipe";
    let window: u64 = if is_piped {
        1
    } else {
        trace.param("window").parse().unwrap_or(0)
    };
    let claim = if is_piped {
        "by hand, one batch is compressed at a time"
    } else {
        "no more batches are compressed at once than the window allows"
    };
    if summary.max_concurrent == 0 {
        return CheckResult::not_exercised(
            claim.to_owned(),
            "no batch was compressed: set fail=none",
        );
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.max_concurrent <= window,
        evidence: format!("at most {} at once, of {window}", summary.max_concurrent),
    }
}

/// The reported error is the first failure and names its stage.
fn first_error_named(trace: &Trace) -> CheckResult {
    let claim = "the first error is reported and names its stage".to_owned();
    let summary = PipelineSummary::of(trace);
    let fail = trace.param("fail");
    if fail == "none" {
        return CheckResult::not_exercised(claim, "nothing failed: set fail=write");
    }
    let cause = summary.cause.unwrap_or_default();
    CheckResult::Decided {
        claim,
        holds: cause
            .to_ascii_lowercase()
            .starts_with(&format!("{fail} failed: ")),
        evidence: format!("reported: {cause}"),
    }
}

/// After a failure, a pipeline has closed all files. Stages connected by hand leave
/// some open.
fn everything_ended(trace: &Trace) -> CheckResult {
    let is_piped = trace.param("connect") == "pipe";
    let fails = trace.param("fail") != "none";
    let claim = match (fails, is_piped) {
        (false, _) => "at the end, input and output are closed",
        (true, false) => {
            "when the failure is reported, every stage has stopped and both files are closed"
        }
        (true, true) => "by hand, files stay open after the failure is reported",
    }
    .to_owned();
    let summary = PipelineSummary::of(trace);
    let (opened, left_open) = (summary.files.len(), summary.left_open());
    CheckResult::Decided {
        claim,
        holds: opened == 2
            && summary.end.is_some()
            && summary.read_after_end == 0
            // The input closes itself at its end, so one file may remain.
            && (left_open > 0) == (fails && is_piped),
        evidence: format!(
            "{left_open} of {opened} open at the end; {} chunks read afterwards",
            summary.read_after_end
        ),
    }
}

/// A partial output is never mistaken for a complete one.
fn nothing_half_written(trace: &Trace) -> CheckResult {
    let is_piped = trace.param("connect") == "pipe";
    let claim = if is_piped {
        "by hand, the partial output is left"
    } else {
        "the partial output is discarded"
    }
    .to_owned();
    let summary = PipelineSummary::of(trace);
    if trace.param("fail") == "none" {
        return CheckResult::not_exercised(claim, "nothing failed: set fail=write");
    }
    CheckResult::Decided {
        claim,
        holds: summary.commit_count == 0 && summary.discard_count == usize::from(!is_piped),
        evidence: format!(
            "{} batches written; discarded {}×, committed {}×",
            summary.written.len(),
            summary.discard_count,
            summary.commit_count
        ),
    }
}
