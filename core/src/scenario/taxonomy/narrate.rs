//! Turns a record into a sentence.

use super::names::{CREATE, GET};
use crate::{
    scenario::railway,
    trace::{Event, Phase, RecordKind, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let number = event.subject;
    match (event.kind, event.phase) {
        (RecordKind::Call, _) => format!("{source} calls {target} for request {number}."),
        (RecordKind::Reject, _) => format!("{source} rejects the call of request {number}."),
        (RecordKind::Switch, _) => format!("{source} is {target}."),
        (RecordKind::Handle, Phase::Begin) if source == GET => {
            format!("{source} looks up a payment for request {number}.")
        }
        (RecordKind::Handle, Phase::Begin) if source == CREATE => {
            format!("{source} creates a payment for request {number}.")
        }
        _ => railway::narrate(trace, event),
    }
}
