//! Each check of `backpressure` and `pipeline` can fail: tampering with one part of a
//! trace fails the checks that cover it, and no other.

use crate::support::checks_failed_by;
use highwater::trace::{Event, Phase, RecordKind, Trace};

/// Returns the index of the first matching record that is not a begin.
fn index_of(trace: &Trace, kind: RecordKind, source: &str, number: u64) -> usize {
    let source = trace.id(source).unwrap();
    let matches = |event: &Event| {
        (event.kind, event.source, event.subject) == (kind, source, number)
            && event.phase != Phase::Begin
    };
    trace.events.iter().position(matches).unwrap()
}

#[test]
fn detects_lost_or_reordered_chunk() {
    let lost = checks_failed_by("backpressure", &[], |trace| {
        let received = index_of(trace, RecordKind::Write, "Buffer", 60);
        trace.events.remove(received);
    });
    assert_eq!(lost, ["every-chunk-accounted"]);
    let reordered = checks_failed_by("backpressure", &[], |trace| {
        let received = index_of(trace, RecordKind::Write, "Buffer", 7);
        trace.events[received].subject = 9;
    });
    assert_eq!(reordered, ["every-chunk-accounted"]);
    let uncounted = checks_failed_by("backpressure", &[("overflow", "drop-oldest")], |trace| {
        let lost = trace
            .events
            .iter()
            .position(|it| it.kind == RecordKind::Drop);
        trace.events.remove(lost.unwrap());
    });
    assert_eq!(uncounted, ["every-chunk-accounted"]);
}

#[test]
fn detects_peak_above_the_mark() {
    let above_mark = checks_failed_by("backpressure", &[], |trace| {
        let levels = trace
            .events
            .iter()
            .rposition(|it| it.kind == RecordKind::Level && it.subject > 0);
        trace.events[levels.unwrap()].subject = (256 + 65) * 1024;
    });
    assert_eq!(above_mark, ["peak-bounded", "peak-and-input"]);
    // With the mark ignored, the level must equal the backlog.
    let below_backlog = checks_failed_by("backpressure", &[("heed", "ignore")], |trace| {
        let level = trace
            .events
            .iter()
            .rposition(|it| it.kind == RecordKind::Level && it.subject > 0);
        trace.events[level.unwrap()].subject -= 1;
    });
    assert_eq!(below_backlog, ["peak-and-input"]);
}

#[test]
fn detects_early_resume() {
    let early = checks_failed_by("backpressure", &[], |trace| {
        let resumed = trace
            .events
            .iter()
            .position(|it| (it.kind, it.phase) == (RecordKind::Stall, Phase::End));
        let resumed = resumed.unwrap();
        let level = trace.events[..resumed]
            .iter()
            .rposition(|it| it.kind == RecordKind::Level);
        trace.events[level.unwrap()].subject = 129 * 1024;
    });
    assert_eq!(early, ["resumes-at-low-mark"]);
}

#[test]
fn detects_write_after_destination_failed() {
    let pairs = [("inject", "error"), ("overflow", "drop-newest")];
    let written = checks_failed_by("backpressure", &pairs, |trace| {
        let write = index_of(trace, RecordKind::Write, "Source", 1);
        let write = trace.events.remove(write);
        let end = trace.events.len();
        trace.events.insert(
            end,
            Event {
                subject: 60,
                ..write
            },
        );
    });
    assert_eq!(written, ["error-stops-the-source"]);
    let left_open = checks_failed_by("backpressure", &pairs, |trace| {
        let closed = index_of(trace, RecordKind::Open, "Source", 0);
        trace.events.remove(closed);
    });
    assert_eq!(left_open, ["error-stops-the-source"]);
}

#[test]
fn detects_reordered_or_uncommitted_batch() {
    let swapped = checks_failed_by("pipeline", &[], |trace| {
        let (third, fourth) = (
            index_of(trace, RecordKind::Handle, "Write", 3),
            index_of(trace, RecordKind::Handle, "Write", 4),
        );
        (trace.events[third].subject, trace.events[fourth].subject) = (4, 3);
    });
    assert_eq!(swapped, ["in-order-and-complete"]);
    let uncommitted = checks_failed_by("pipeline", &[], |trace| {
        let commit = index_of(trace, RecordKind::Commit, "Write", 0);
        trace.events.remove(commit);
    });
    assert_eq!(uncommitted, ["in-order-and-complete"]);
}

#[test]
fn detects_exceeded_buffer_or_window() {
    let above_limit = checks_failed_by("pipeline", &[], |trace| {
        let level = trace
            .events
            .iter()
            .position(|it| it.kind == RecordKind::Level);
        trace.events[level.unwrap()].subject = 9 * 1024 + 1;
    });
    assert_eq!(above_limit, ["memory-bounded"]);
    let above_window = checks_failed_by("pipeline", &[], |trace| {
        let first = trace.id("Compress").unwrap();
        let is_begin = |it: &Event| {
            (it.kind, it.phase, it.source) == (RecordKind::Handle, Phase::Begin, first)
        };
        let begin = trace.events.iter().position(is_begin).unwrap();
        let begin = trace.events[begin];
        trace.events.splice(0..0, [begin; 3]);
    });
    assert_eq!(above_window, ["window-bounded"]);
}

#[test]
fn detects_masked_first_error() {
    let masked = checks_failed_by("pipeline", &[("fail", "write")], |trace| {
        let end = index_of(trace, RecordKind::Request, "Transfer", 0);
        let cause = trace.events[end].failure.unwrap();
        trace.names[cause.index()] = "Read failed: premature close".to_owned();
    });
    assert_eq!(masked, ["first-error-named"]);
}

#[test]
fn detects_incomplete_cleanup() {
    let pairs = [("fail", "write")];
    let left_open = checks_failed_by("pipeline", &pairs, |trace| {
        let closed = index_of(trace, RecordKind::Open, "Read", 0);
        trace.events.remove(closed);
    });
    assert_eq!(left_open, ["everything-ended"]);
    let read_after_end = checks_failed_by("pipeline", &pairs, |trace| {
        let read = trace.id("Read").unwrap();
        let is_begin = |it: &&Event| {
            (it.kind, it.phase, it.source) == (RecordKind::Handle, Phase::Begin, read)
        };
        let begin = *trace.events.iter().find(is_begin).unwrap();
        trace.events.push(begin);
    });
    assert_eq!(read_after_end, ["everything-ended"]);
    let not_discarded = checks_failed_by("pipeline", &pairs, |trace| {
        let discard = index_of(trace, RecordKind::Discard, "Write", 0);
        trace.events.remove(discard);
    });
    assert_eq!(not_discarded, ["nothing-half-written"]);
    let piped = [("fail", "write"), ("connect", "pipe")];
    let closed_in_time = checks_failed_by("pipeline", &piped, |trace| {
        let end = index_of(trace, RecordKind::Request, "Transfer", 0);
        let end = trace.events.remove(end);
        trace.events.push(end);
    });
    assert_eq!(closed_in_time, ["everything-ended"]);
}
