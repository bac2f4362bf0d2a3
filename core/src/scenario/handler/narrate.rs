//! One record as a sentence.

use super::SUPERVISOR;
use crate::{
    scenario::{
        narrating::milliseconds,
        railway::{HANDED_BACK, LOST},
    },
    trace::{Event, Kind, Phase, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let cause = event.failure.map_or("", |cause| trace.name(cause));
    let number = event.subject;
    let took = milliseconds(event);
    match (event.kind, event.phase, event.failure) {
        (Kind::Start, ..) if number == 0 => format!("{source} is there."),
        (Kind::Start, ..) => format!("{source} is ready, as process {number}."),
        (Kind::Switch, ..) => format!("{source}, process {number}, is {target}."),
        (Kind::Exit, ..) if source == SUPERVISOR => format!("{source} gives up: {cause}."),
        (Kind::Exit, _, None) => format!("{source}, process {number}, has come to its end."),
        (Kind::Exit, ..) => format!("{source}, process {number}, is gone: {cause}."),
        (Kind::Request, Phase::Begin, _) => format!("Request {number} arrives."),
        (Kind::Request, _, None) => format!("Request {number} is answered with 200, after {took}."),
        (Kind::Request, ..) if cause == LOST => format!("Request {number} is lost, after {took}."),
        (Kind::Request, ..) => format!("Request {number} is answered with {cause}, after {took}."),
        (Kind::Call, ..) => format!("{source} hands request {number} to {target}."),
        (Kind::Log, ..) => format!("{source} logs request {number}: {cause}."),
        (Kind::Retry, ..) => format!("{source} has request {number} done again: {cause}."),
        (Kind::Wrong, ..) => format!("{source} answers request {number} with what is wrong."),
        (Kind::Expose, ..) => format!("The answer to request {number} shows internal detail."),
        (_, Phase::Begin, _) => format!("{source} is to do request {number}."),
        (_, _, None) => format!("{source} is done with request {number}, after {took}."),
        _ if cause == HANDED_BACK => format!("{source} hands request {number} back."),
        _ if cause == LOST => format!("Request {number} goes down with {source}."),
        _ => format!("{source} failed at request {number}, after {took}: {cause}."),
    }
}
