//! Turns a record into a sentence, for records common to the error scenarios.

use crate::{
    scenario::format::format_ms,
    trace::{Event, Phase, RecordKind, Trace},
};

pub(in crate::scenario) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let cause = event.failure.map_or("", |cause| trace.name(cause));
    let number = event.subject;
    let took = format_ms(event.duration);
    match (event.kind, event.phase, event.failure) {
        (RecordKind::Start, ..) => format!("{source} starts."),
        (RecordKind::Request, Phase::Begin, _) => format!("Request {number} arrives."),
        (RecordKind::Request, _, None) => {
            format!("Request {number} is answered with 200 after {took}.")
        }
        (RecordKind::Request, ..) => {
            format!("Request {number} is answered with {cause} after {took}.")
        }
        (RecordKind::Log, ..) => format!("{source} logs request {number}: {cause}."),
        (RecordKind::Retry, ..) => format!("{source} retries request {number}: {cause}."),
        (RecordKind::Expose, ..) => {
            format!("The response to request {number} exposes internal details.")
        }
        (_, Phase::Begin, _) => format!("{source} starts request {number}."),
        (_, _, None) => format!("{source} completes request {number} after {took}."),
        _ => format!("{source} fails request {number} after {took}: {cause}."),
    }
}
