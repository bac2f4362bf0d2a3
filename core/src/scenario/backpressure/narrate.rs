//! Turns a record into a sentence.

use super::names::SOURCE;
use crate::{
    scenario::format::format_ms,
    trace::{Event, Phase, RecordKind, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let number = event.subject;
    let took = format_ms(event.duration);
    match (event.kind, event.phase, event.failure) {
        (RecordKind::Start, ..) => format!("{source} has started."),
        (RecordKind::Mark, ..) => {
            format!("{source}'s high-water mark is {} KiB.", number / 1024)
        }
        (RecordKind::Level, ..) => format!("{source} holds {} KiB.", number / 1024),
        (RecordKind::Open, Phase::Begin, _) => format!("{source} is open."),
        (RecordKind::Open, _, None) => format!("{source} is closed."),
        (RecordKind::Open, _, Some(cause)) => format!("{source} failed: {}.", trace.name(cause)),
        (RecordKind::Write, ..) if source == SOURCE => {
            format!("{source} writes chunk {number} to {target}.")
        }
        (RecordKind::Write, ..) => format!("{target} receives chunk {number} from {source}."),
        (RecordKind::Stall, Phase::Begin, _) => {
            format!("{source} is full: {SOURCE} waits with chunk {number}.")
        }
        (RecordKind::Stall, ..) => format!("{SOURCE} resumes with chunk {number} after {took}."),
        (RecordKind::Drop, ..) => format!("{source} is full: {number} dropped."),
        (RecordKind::Reject, ..) => format!("{source} is full: chunk {number} rejected."),
        (_, Phase::Begin, _) => format!("{source} handles chunk {number}."),
        (_, _, None) => format!("{source} handled chunk {number} in {took}."),
        (_, _, Some(cause)) => format!(
            "{source} failed at chunk {number} after {took}: {}.",
            trace.name(cause)
        ),
    }
}
