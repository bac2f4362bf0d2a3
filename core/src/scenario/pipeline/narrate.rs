//! One record as a sentence.

use super::{BUFFER, READ, TRANSFER};
use crate::{
    scenario::format::format_ms,
    trace::{Event, Phase, RecordKind, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let number = event.subject;
    let took = format_ms(event.duration);
    let (goes, end) = match source {
        READ | BUFFER => ("chunk", "file"),
        _ => ("batch", "output"),
    };
    match (event.kind, event.phase, event.failure) {
        (RecordKind::Start, ..) => format!("{source} is there."),
        (RecordKind::Mark, ..) => {
            format!("{source}'s high-water mark is at {} KiB.", number / 1024)
        }
        (RecordKind::Level, ..) => format!("{source} holds {number} bytes."),
        (RecordKind::Open, Phase::Begin, _) => format!("{source} opens its {end}."),
        (RecordKind::Open, _, None) => format!("{source} closes its {end}."),
        (RecordKind::Open, ..) => format!("{source} lets go of its {end}."),
        (RecordKind::Write, ..) => format!("{source} hands {goes} {number} to {target}."),
        (RecordKind::Commit, ..) => "All is written: the output takes its place.".to_owned(),
        (RecordKind::Discard, ..) => "What was written in part is discarded.".to_owned(),
        (RecordKind::Request, Phase::Begin, _) => format!("{TRANSFER} begins."),
        (RecordKind::Request, _, None) => format!("{TRANSFER} is complete, after {took}."),
        (RecordKind::Request, _, Some(cause)) => format!("{TRANSFER}: {}.", trace.name(cause)),
        (_, Phase::Begin, _) => format!("{source} works on {goes} {number}."),
        (_, _, None) => format!("{source} is done with {goes} {number}, after {took}."),
        (_, _, Some(cause)) => format!(
            "{source} failed at {goes} {number}, after {took}: {}.",
            trace.name(cause)
        ),
    }
}
