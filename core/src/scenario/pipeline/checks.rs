//! What a run of `pipeline` must prove.
//!
//! The predicates look at amounts and at the order of records, never at how
//! long something took, so they hold in every world.

use super::summary::PipelineSummary;
use crate::{
    scenario::checks::{Check, CheckResult},
    trace::Trace,
};

pub(super) const ALL: &[Check] = &[
    Check {
        name: "in-order-and-complete",
        decide: in_order_and_complete,
    },
    Check {
        name: "memory-bounded",
        decide: memory_bounded,
    },
    Check {
        name: "window-bounded",
        decide: window_bounded,
    },
    Check {
        name: "first-error-named",
        decide: first_error_named,
    },
    Check {
        name: "everything-ended",
        decide: everything_ended,
    },
    Check {
        name: "nothing-half-written",
        decide: nothing_half_written,
    },
];

fn in_order_and_complete(trace: &Trace) -> CheckResult {
    let summary = PipelineSummary::of(trace);
    let fails = trace.param("fail") != "none";
    let written = summary.written.len() as u64;
    let in_order = summary.written.iter().copied().eq(1..=written);
    CheckResult::Decided {
        claim: if fails {
            "what is written before the failure is written in order"
        } else {
            "every batch is written, in order, and the output then takes its place"
        }
        .to_owned(),
        holds: in_order
            && if fails {
                written < summary.batches && summary.commits == 0
            } else {
                written == summary.batches && summary.commits == 1 && summary.cause.is_none()
            },
        evidence: format!("{written} of {} batches written", summary.batches),
    }
}

fn memory_bounded(trace: &Trace) -> CheckResult {
    let claim =
        "reading never runs ahead by more than the high-water mark and one chunk".to_owned();
    let summary = PipelineSummary::of(trace);
    if summary.mark == 0 {
        return not_exercised(claim, "there is no buffer: set connect=pipeline");
    }
    CheckResult::Decided {
        claim,
        holds: summary.peak <= summary.mark + summary.chunk,
        evidence: format!(
            "at most {} bytes ahead, of {} and {}",
            summary.peak, summary.mark, summary.chunk
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
    if summary.at_once == 0 {
        return not_exercised(claim.to_owned(), "no batch came so far: set fail=none");
    }
    CheckResult::Decided {
        claim: claim.to_owned(),
        holds: summary.at_once <= window,
        evidence: format!("at most {} at once, of {window}", summary.at_once),
    }
}

/// The cause is the first failure's, and says where it was.
fn first_error_named(trace: &Trace) -> CheckResult {
    let claim = "the error that is reported is the first, and names its stage".to_owned();
    let summary = PipelineSummary::of(trace);
    let fail = trace.param("fail");
    if fail == "none" {
        return not_exercised(claim, "nothing failed: set fail=write");
    }
    let cause = summary.cause.unwrap_or_default();
    CheckResult::Decided {
        claim,
        holds: cause
            .to_lowercase()
            .starts_with(&format!("{fail} failed: ")),
        evidence: format!("it says: {cause}"),
    }
}

/// After a failure nothing is open: or, by hand, everything still is.
fn everything_ended(trace: &Trace) -> CheckResult {
    let is_piped = trace.param("connect") == "pipe";
    let fails = trace.param("fail") != "none";
    let claim = match (fails, is_piped) {
        (false, _) => "when it is over, file and output are closed",
        (true, false) => {
            "when the failure is reported, every stage has ended: nothing is read any more, nothing is open"
        }
        (true, true) => "by hand, nobody closes what is open when the failure is reported",
    }
    .to_owned();
    let summary = PipelineSummary::of(trace);
    let (opened, left) = (summary.open.len(), summary.left_open());
    CheckResult::Decided {
        claim,
        holds: opened == 2
            && summary.end.is_some()
            && summary.read_after == 0
            // A file that was at its end is closed in any case.
            && (left > 0) == (fails && is_piped),
        evidence: format!(
            "{left} of {opened} open when it was over; {} chunks read after that",
            summary.read_after
        ),
    }
}

/// A part is not to be taken for the whole.
fn nothing_half_written(trace: &Trace) -> CheckResult {
    let is_piped = trace.param("connect") == "pipe";
    let claim = if is_piped {
        "by hand, what was written in part stays there"
    } else {
        "what was written in part is discarded"
    }
    .to_owned();
    let summary = PipelineSummary::of(trace);
    if trace.param("fail") == "none" {
        return not_exercised(claim, "nothing failed: set fail=write");
    }
    CheckResult::Decided {
        claim,
        holds: summary.commits == 0 && summary.discards == usize::from(!is_piped),
        evidence: format!(
            "{} batches written, {} times discarded, {} times completed",
            summary.written.len(),
            summary.discards,
            summary.commits
        ),
    }
}

fn not_exercised(claim: String, hint: &str) -> CheckResult {
    CheckResult::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}
