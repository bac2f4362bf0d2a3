//! One record as a sentence.

use super::SOURCE;
use crate::{
    scenario::format::format_ms,
    trace::{Event, Kind, Phase, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let number = event.subject;
    let took = format_ms(event.duration);
    match (event.kind, event.phase, event.failure) {
        (Kind::Start, ..) => format!("{source} is there."),
        (Kind::Mark, ..) => format!("{source}'s high-water mark is at {} KiB.", number / 1024),
        (Kind::Level, ..) => format!("{source} holds {} KiB.", number / 1024),
        (Kind::Open, Phase::Begin, _) => format!("{source} is open."),
        (Kind::Open, _, None) => format!("{source} is closed."),
        (Kind::Open, _, Some(cause)) => format!("{source} is gone: {}.", trace.name(cause)),
        (Kind::Write, ..) if source == SOURCE => {
            format!("{source} writes chunk {number} to {target}.")
        }
        (Kind::Write, ..) => format!("{target} takes chunk {number} from {source}."),
        (Kind::Stall, Phase::Begin, _) => {
            format!("{source} is full: {SOURCE} waits with chunk {number}.")
        }
        (Kind::Stall, ..) => format!("{SOURCE} goes on with chunk {number}, after {took}."),
        (Kind::Drop, ..) => format!("{source} is full: {number} dropped."),
        (Kind::Refuse, ..) => format!("{source} is full: chunk {number} is refused."),
        (_, Phase::Begin, _) => format!("{source} works on chunk {number}."),
        (_, _, None) => format!("{source} is done with chunk {number}, after {took}."),
        (_, _, Some(cause)) => format!(
            "{source} failed at chunk {number}, after {took}: {}.",
            trace.name(cause)
        ),
    }
}
