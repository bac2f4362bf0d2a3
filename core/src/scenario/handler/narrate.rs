//! Turns a record into a sentence.

use crate::{
    scenario::{
        format::format_ms,
        railway::{self, HANDED_BACK},
        supervised_cluster::SUPERVISOR,
        workers::LOST,
    },
    trace::{Event, Phase, RecordKind, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let cause = event.failure.map_or("", |cause| trace.name(cause));
    let number = event.subject;
    match (event.kind, event.phase) {
        (RecordKind::Start, _) if number > 0 => format!("{source} (process {number}) is ready."),
        (RecordKind::Switch, _) => format!("{source} (process {number}) is {target}."),
        (RecordKind::Exit, _) if source == SUPERVISOR => format!("{source} gives up: {cause}."),
        (RecordKind::Exit, _) if cause.is_empty() => {
            format!("{source} (process {number}) exits.")
        }
        (RecordKind::Exit, _) => format!("{source} (process {number}) exits: {cause}."),
        (RecordKind::Request, Phase::End) if cause == LOST => {
            format!(
                "Request {number} is lost after {}.",
                format_ms(event.duration)
            )
        }
        (RecordKind::Call, _) => format!("{source} sends request {number} to {target}."),
        (RecordKind::Wrong, _) => format!("{source} answers request {number} incorrectly."),
        (RecordKind::Handle, Phase::End) if cause == HANDED_BACK => {
            format!("{source} hands request {number} back.")
        }
        (RecordKind::Handle, Phase::End) if cause == LOST => {
            format!("Request {number} is lost with {source}.")
        }
        _ => railway::narrate(trace, event),
    }
}
