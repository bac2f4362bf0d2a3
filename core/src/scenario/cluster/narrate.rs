//! Turns a record into a sentence.

use super::faults::HANGING;
use crate::{
    scenario::{format::format_ms, supervised_cluster::SUPERVISOR, workers::LOST},
    trace::{Event, Phase, RecordKind, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let cause = event.failure.map_or("", |cause| trace.name(cause));
    let number = event.subject;
    let [request, the_request] = match trace.param("users") {
        "" | "0" => ["Request", "request"],
        _ => ["User", "user"],
    };
    let took = format_ms(event.duration);
    match (event.kind, event.phase) {
        (RecordKind::Start, _) if number > 0 => format!("{source} (process {number}) is ready."),
        (RecordKind::Start, _) => format!("{source} starts."),
        (RecordKind::Switch, _) if source == SUPERVISOR => format!("{source}: {target}."),
        (RecordKind::Switch, _) if target == HANGING => {
            format!("{source} (process {number}) hangs.")
        }
        (RecordKind::Switch, _) => format!("{source} (process {number}) is {target}."),
        (RecordKind::Exit, _) if source == SUPERVISOR => format!("{source} gives up: {cause}."),
        (RecordKind::Exit, _) if cause.is_empty() => {
            format!("{source} (process {number}) exits.")
        }
        (RecordKind::Exit, _) => format!("{source} (process {number}) exits: {cause}."),
        (RecordKind::Request, Phase::Begin) => format!("{request} {number} arrives."),
        (RecordKind::Request, _) if cause.is_empty() => {
            format!("{request} {number} is answered after {took}.")
        }
        (RecordKind::Request, _) if cause == LOST => {
            format!("{request} {number} is lost after {took}.")
        }
        (RecordKind::Request, _) => {
            format!("{request} {number} is {cause}: no worker can take it.")
        }
        (RecordKind::Call, _) => format!("{source} sends {the_request} {number} to {target}."),
        (RecordKind::Beat, _) => format!("{source} sends a heartbeat."),
        (RecordKind::Result, _) => format!("{target}: {number}."),
        (_, Phase::Begin) => format!("{source} starts {the_request} {number}."),
        (_, _) if cause.is_empty() => {
            format!("{source} completes {the_request} {number} after {took}.")
        }
        _ => format!("{request} {number} is lost with {source}."),
    }
}
