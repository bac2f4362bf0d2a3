//! One record as a sentence.

use super::{CREATE, GET};
use crate::{
    scenario::railway,
    trace::{Event, Kind, Phase, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let number = event.subject;
    match (event.kind, event.phase) {
        (Kind::Call, _) => format!("{source} calls {target} for request {number}."),
        (Kind::Refuse, _) => format!("{source} is open: request {number} gets no call through."),
        (Kind::Switch, _) => format!("{source} is {target}."),
        (Kind::Handle, Phase::Begin) if source == GET => {
            format!("{source} looks up a payment for request {number}.")
        }
        (Kind::Handle, Phase::Begin) if source == CREATE => {
            format!("{source} makes a payment for request {number}.")
        }
        _ => railway::narrate(trace, event),
    }
}
