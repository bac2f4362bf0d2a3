//! One record as a sentence.

use super::GET;
use crate::{
    scenario::narrating::milliseconds,
    trace::{Event, Kind, Phase, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let cause = event.failure.map_or("", |cause| trace.name(cause));
    let number = event.subject;
    let took = milliseconds(event);
    match (event.kind, event.phase, event.failure) {
        (Kind::Start, ..) => format!("{source} is there."),
        (Kind::Request, Phase::Begin, _) => format!("Request {number} arrives."),
        (Kind::Request, _, None) => format!("Request {number} is answered with 200, after {took}."),
        (Kind::Request, ..) => format!("Request {number} is answered with {cause}, after {took}."),
        (Kind::Call, ..) => format!("{source} calls {target} for request {number}."),
        (Kind::Refuse, ..) => format!("{source} is open: request {number} gets no call through."),
        (Kind::Switch, ..) => format!("{source} is {target}."),
        (Kind::Log, ..) => format!("{source} logs request {number}: {cause}."),
        (Kind::Retry, ..) => format!("{source} has request {number} done again: {cause}."),
        (Kind::Expose, ..) => format!("The answer to request {number} shows internal detail."),
        (_, Phase::Begin, _) if source == GET => {
            format!("{source} looks up a payment for request {number}.")
        }
        (_, Phase::Begin, _) => format!("{source} makes a payment for request {number}."),
        (_, _, None) => format!("{source} is done with request {number}, after {took}."),
        _ => format!("{source} failed at request {number}, after {took}: {cause}."),
    }
}
