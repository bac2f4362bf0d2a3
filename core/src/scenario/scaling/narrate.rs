//! One record as a sentence.

use crate::{
    scenario::format::format_ms,
    trace::{Event, Kind, Phase, Trace},
};

pub(in crate::scenario) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let cause = event.failure.map_or("", |cause| trace.name(cause));
    let number = event.subject;
    let took = format_ms(event.duration);
    match (event.kind, event.phase) {
        (Kind::Threads, _) => match number {
            0 => "There are no threads here: the loop does what is offloaded.".to_owned(),
            1 => "There is one thread.".to_owned(),
            _ => format!("There are {number} threads."),
        },
        (Kind::Start, _) => format!("{source} is there."),
        (Kind::Beat, Phase::Begin) => format!("Heartbeat {number} comes, {took} late."),
        (Kind::Beat, _) => format!("Heartbeat {number} has come."),
        (Kind::Request, Phase::Begin) => {
            format!("Request {number} is taken, {took} after it came.")
        }
        (Kind::Request, _) if cause.is_empty() => {
            format!("Request {number} is answered, after {took}.")
        }
        (Kind::Request, _) => format!("Request {number} is turned away, after {took}: {cause}."),
        (Kind::Handle, Phase::Begin) => format!("{source} begins with {number}."),
        (Kind::Handle, _) => format!("{source} is done with {number}, after {took}."),
        (Kind::Call, _) => format!("The job of request {number} goes to the pool."),
        (Kind::Refuse, _) => format!("The pool has no room for the job of request {number}."),
        (Kind::Compute, Phase::Begin) if event.thread == 0 => {
            format!("Job {number} begins, and holds the loop.")
        }
        (Kind::Compute, Phase::Begin) => format!("{source} begins with job {number}."),
        (Kind::Compute, _) if cause.is_empty() => {
            format!("{source} is done with job {number}, after {took}.")
        }
        (Kind::Compute, _) => format!("{source} gives job {number} up, after {took}: {cause}."),
        (Kind::Result, _) => {
            let job = event.target.map_or("", |job| trace.name(job));
            format!("{job} comes to {number}.")
        }
        _ => format!("{source}: {number}."),
    }
}
