//! One record as a sentence.

use super::{HANGING, SUPERVISOR};
use crate::{
    scenario::{fleet::LOST, narrating::milliseconds},
    trace::{Event, Kind, Phase, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let cause = event.failure.map_or("", |cause| trace.name(cause));
    let number = event.subject;
    let took = milliseconds(event);
    match (event.kind, event.phase) {
        (Kind::Start, _) if number > 0 => format!("{source} is ready, as process {number}."),
        (Kind::Start, _) => format!("{source} is there."),
        (Kind::Switch, _) if source == SUPERVISOR => format!("{source}: {target}."),
        (Kind::Switch, _) if target == HANGING => {
            format!("{source}, process {number}, is about to hang, and nobody knows.")
        }
        (Kind::Switch, _) => format!("{source}, process {number}, is {target}."),
        (Kind::Exit, _) if source == SUPERVISOR => format!("{source} gives up: {cause}."),
        (Kind::Exit, _) if cause.is_empty() => {
            format!("{source}, process {number}, has come to its end.")
        }
        (Kind::Exit, _) => format!("{source}, process {number}, is gone: {cause}."),
        (Kind::Request, Phase::Begin) => format!("Request {number} arrives."),
        (Kind::Request, _) if cause.is_empty() => {
            format!("Request {number} is answered, after {took}.")
        }
        (Kind::Request, _) if cause == LOST => {
            format!("Request {number} is lost, after {took}.")
        }
        (Kind::Request, _) => format!("Request {number} is {cause}: nobody is there."),
        (Kind::Call, _) => format!("{source} hands request {number} to {target}."),
        (Kind::Beat, _) => format!("{source} gives a sign of life."),
        (_, Phase::Begin) => format!("{source} begins request {number}."),
        (_, _) if cause.is_empty() => {
            format!("{source} is done with request {number}, after {took}.")
        }
        _ => format!("Request {number} goes down with {source}."),
    }
}
