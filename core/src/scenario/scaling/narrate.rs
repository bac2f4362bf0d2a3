//! One record as a sentence.

use crate::{
    scenario::format::format_ms,
    trace::{Event, Phase, RecordKind, Trace},
};

pub(in crate::scenario) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let cause = event.failure.map_or("", |cause| trace.name(cause));
    let number = event.subject;
    let took = format_ms(event.duration);
    match (event.kind, event.phase) {
        (RecordKind::Threads, _) => match number {
            0 => "There are no threads here: the loop does what is offloaded.".to_owned(),
            1 => "There is one thread.".to_owned(),
            _ => format!("There are {number} threads."),
        },
        (RecordKind::Start, _) => format!("{source} is there."),
        (RecordKind::Beat, Phase::Begin) => format!("Heartbeat {number} comes, {took} late."),
        (RecordKind::Beat, _) => format!("Heartbeat {number} has come."),
        (RecordKind::Request, Phase::Begin) => {
            format!("Request {number} is taken, {took} after it came.")
        }
        (RecordKind::Request, _) if cause.is_empty() => {
            format!("Request {number} is answered, after {took}.")
        }
        (RecordKind::Request, _) => {
            format!("Request {number} is turned away, after {took}: {cause}.")
        }
        (RecordKind::Handle, Phase::Begin) => format!("{source} begins with {number}."),
        (RecordKind::Handle, _) => format!("{source} is done with {number}, after {took}."),
        (RecordKind::Call, _) => format!("The job of request {number} goes to the pool."),
        (RecordKind::Refuse, _) => format!("The pool has no room for the job of request {number}."),
        (RecordKind::Compute, Phase::Begin) if event.thread == 0 => {
            format!("Job {number} begins, and holds the loop.")
        }
        (RecordKind::Compute, Phase::Begin) => format!("{source} begins with job {number}."),
        (RecordKind::Compute, _) if cause.is_empty() => {
            format!("{source} is done with job {number}, after {took}.")
        }
        (RecordKind::Compute, _) => {
            format!("{source} gives job {number} up, after {took}: {cause}.")
        }
        (RecordKind::Result, _) => {
            let job = event.target.map_or("", |job| trace.name(job));
            format!("{job} comes to {number}.")
        }
        _ => format!("{source}: {number}."),
    }
}
