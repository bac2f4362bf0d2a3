//! Turns a record into a sentence.

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
            0 => "There are no threads: offloaded jobs run on the loop.".to_owned(),
            1 => "There is one thread.".to_owned(),
            _ => format!("There are {number} threads."),
        },
        (RecordKind::Start, _) => format!("{source} starts."),
        (RecordKind::Beat, Phase::Begin) => format!("Heartbeat {number} is {took} late."),
        (RecordKind::Beat, _) => format!("Heartbeat {number} ends."),
        (RecordKind::Request, Phase::Begin) => {
            format!("Request {number} starts {took} after its arrival.")
        }
        (RecordKind::Request, _) if cause.is_empty() => {
            format!("Request {number} is answered after {took}.")
        }
        (RecordKind::Request, _) => format!("Request {number} fails after {took}: {cause}."),
        (RecordKind::Handle, Phase::Begin) => format!("{source} starts {number}."),
        (RecordKind::Handle, _) => format!("{source} completes {number} after {took}."),
        (RecordKind::Call, _) => format!("Request {number}'s job is sent to the pool."),
        (RecordKind::Reject, _) => format!("The pool rejects request {number}'s job."),
        (RecordKind::Compute, Phase::Begin) if event.thread == 0 => {
            format!("Job {number} blocks the loop.")
        }
        (RecordKind::Compute, Phase::Begin) => format!("{source} starts job {number}."),
        (RecordKind::Compute, _) if cause.is_empty() => {
            format!("{source} completes job {number} after {took}.")
        }
        (RecordKind::Compute, _) => format!("{source} stops job {number} after {took}: {cause}."),
        (RecordKind::Result, _) => {
            let job = event.target.map_or("", |job| trace.name(job));
            format!("{job} = {number}.")
        }
        _ => format!("{source}: {number}."),
    }
}
