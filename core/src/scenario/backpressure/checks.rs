//! What a run of `backpressure` must prove.
//!
//! The predicates look at amounts and at the order of records, never at how
//! long something took, so they hold in every world.

use super::facts::Facts;
use crate::{
    scenario::checks::{Check, Decision},
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

fn every_chunk_accounted(trace: &Trace) -> Decision {
    let facts = Facts::of(trace);
    let (written, taken) = (facts.written.len() as u64, facts.taken.len() as u64);
    let offered = written + facts.refused;
    let in_order = facts.taken.is_sorted() && facts.written.is_sorted();
    let failed = facts.failed.is_some();
    let left = written - taken.min(written) - facts.dropped.min(written);
    let all: u64 = trace.param("chunks").parse().unwrap_or(0);
    Decision::Decided {
        claim: if failed {
            "every chunk written arrived, was dropped, or was in the buffer when the destination failed"
        } else {
            "every chunk arrives in order, or its loss is counted"
        }
        .to_owned(),
        holds: in_order
            && taken > 0
            && if failed {
                left * facts.chunk == facts.rest
            } else {
                offered == all && left == 0
            },
        evidence: format!(
            "{written} written, {taken} taken, {} dropped, {} refused, {left} left",
            facts.dropped, facts.refused
        ),
    }
}

/// What is queued never weighs more than the mark and one chunk.
fn peak_bounded(trace: &Trace) -> Decision {
    let claim = "the buffer never holds more than its high-water mark and one chunk".to_owned();
    let facts = Facts::of(trace);
    if trace.param("heed") == "ignore" {
        return not_exercised(claim, "nobody heeds the mark: set heed=wait");
    }
    Decision::Decided {
        claim,
        holds: facts.mark > 0 && facts.peak() <= facts.mark + facts.chunk,
        evidence: format!(
            "at most {} of {} and {}",
            kib(facts.peak()),
            kib(facts.mark),
            kib(facts.chunk)
        ),
    }
}

/// Twice the input: the same peak, or whatever has piled up.
fn peak_and_input(trace: &Trace) -> Decision {
    let ignores = trace.param("heed") == "ignore";
    let claim = if ignores {
        "ignored, the mark bounds nothing: the buffer holds all that is not taken yet"
    } else {
        "the peak does not depend on how much input there is"
    }
    .to_owned();
    let facts = Facts::of(trace);
    let [first, second] = facts.peaks;
    let bound = facts.mark + facts.chunk;
    if ignores && facts.peak() <= bound {
        let hint = "the destination kept up: set write=45, read=15, mark=64";
        return not_exercised(claim, hint);
    }
    if !ignores && (first < facts.mark || facts.mark == 0) {
        let hint = "the first half never reached the mark: set chunks=60, read=15, write=45";
        return not_exercised(claim, hint);
    }
    Decision::Decided {
        claim,
        holds: if ignores {
            facts.unexplained == 0
        } else {
            first <= bound && second <= bound
        },
        evidence: format!(
            "at most {} in the first half of the input, {} in the second; the mark is at {}",
            kib(first),
            kib(second),
            kib(facts.mark)
        ),
    }
}

/// Waking for each chunk of room would cost a change of tasks for each.
fn resumes_at_low_mark(trace: &Trace) -> Decision {
    let claim = "a source that waits goes on when half of the mark is drained".to_owned();
    let facts = Facts::of(trace);
    if facts.resumed_at.is_empty() {
        return not_exercised(
            claim,
            "the source never waited: set heed=wait, overflow=wait, write=45",
        );
    }
    let low = facts.mark / 2;
    let well = facts.resumed_at.iter().filter(|level| **level <= low);
    let (well, all) = (well.count(), facts.resumed_at.len());
    Decision::Decided {
        claim,
        holds: well == all,
        evidence: format!("{well} of {all} waits ended at {} or less", kib(low)),
    }
}

/// Nobody goes on writing to who is gone.
fn error_stops_the_source(trace: &Trace) -> Decision {
    let claim = "when the destination fails, the source stops and both are closed".to_owned();
    let facts = Facts::of(trace);
    if facts.failed.is_none() {
        return not_exercised(claim, "nothing failed: set inject=error");
    }
    Decision::Decided {
        claim,
        holds: facts.written_after == 0 && facts.opened == 2 && facts.closed == 2,
        evidence: format!(
            "{} chunks written after the failure; {} of {} closed",
            facts.written_after, facts.closed, facts.opened
        ),
    }
}

fn kib(bytes: u64) -> String {
    format!("{} KiB", bytes / 1024)
}

fn not_exercised(claim: String, hint: &str) -> Decision {
    Decision::NotExercised {
        claim,
        hint: hint.to_owned(),
    }
}
