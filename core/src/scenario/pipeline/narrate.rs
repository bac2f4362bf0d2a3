//! Turns a record into a sentence.

use super::names::{BUFFER, READ, TRANSFER};
use crate::{
    scenario::format::format_ms,
    trace::{Event, Phase, RecordKind, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let number = event.subject;
    let took = format_ms(event.duration);
    let (unit, file) = match source {
        READ | BUFFER => ("chunk", "file"),
        _ => ("batch", "output"),
    };
    match (event.kind, event.phase, event.failure) {
        (RecordKind::Start, ..) => format!("{source} has started."),
        (RecordKind::Mark, ..) => {
            format!("{source}'s high-water mark is {} KiB.", number / 1024)
        }
        (RecordKind::Level, ..) => format!("{source} holds {number} bytes."),
        (RecordKind::Open, Phase::Begin, _) => format!("{source} opens its {file}."),
        (RecordKind::Open, _, None) => format!("{source} closes its {file}."),
        (RecordKind::Open, ..) => format!("{source} drops its {file}."),
        (RecordKind::Write, ..) => format!("{source} sends {unit} {number} to {target}."),
        (RecordKind::Commit, ..) => "The output is complete and committed.".to_owned(),
        (RecordKind::Discard, ..) => "The partial output is discarded.".to_owned(),
        (RecordKind::Request, Phase::Begin, _) => format!("{TRANSFER} begins."),
        (RecordKind::Request, _, None) => format!("{TRANSFER} completes after {took}."),
        (RecordKind::Request, _, Some(cause)) => format!("{TRANSFER}: {}.", trace.name(cause)),
        (_, Phase::Begin, _) => format!("{source} handles {unit} {number}."),
        (_, _, None) => format!("{source} handled {unit} {number} in {took}."),
        (_, _, Some(cause)) => format!(
            "{source} failed at {unit} {number} after {took}: {}.",
            trace.name(cause)
        ),
    }
}
