//! Turns a record into a sentence.

use super::names::{ALARM, CALIBRATION};
use crate::{
    scenario::format::format_ms,
    trace::{Event, Phase, RecordKind, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let reading = event.subject;
    let took = format_ms(event.duration);
    match (event.kind, event.phase, event.failure) {
        (RecordKind::Start, ..) => format!("{source} has started."),
        (RecordKind::Depend, ..) => format!("{source} announces its readings on {target}."),
        (RecordKind::Subscribe, ..) => match source {
            ALARM => format!("{source} is prepended to {target}'s list."),
            CALIBRATION => format!("{source} is added to {target}'s list for one reading."),
            _ => format!("{source} is added to {target}'s list."),
        },
        (RecordKind::Unsubscribe, ..) => match source {
            CALIBRATION => format!("{source} leaves {target}'s list before its only call."),
            _ => format!("{source} is removed from {target}'s list."),
        },
        (RecordKind::Leak, ..) => format!("{source} warns: {target}."),
        (RecordKind::Request, Phase::Begin, _) => format!("{source} has reading {reading}."),
        (RecordKind::Request, _, None) => format!("Reading {reading} was announced in {took}."),
        (RecordKind::Request, _, Some(cause)) => {
            format!(
                "The emit of reading {reading} failed: {}.",
                trace.name(cause)
            )
        }
        (RecordKind::Call, ..) => {
            format!("{source} requests another reading from {target}.")
        }
        (RecordKind::Emit, ..) => format!("{source} emits reading {reading}."),
        (RecordKind::Deliver, ..) => format!("{source} calls {target} with reading {reading}."),
        (_, Phase::Begin, _) => format!("{source} handles reading {reading}."),
        (_, _, None) => format!("{source} handled reading {reading} in {took}."),
        (_, _, Some(cause)) => format!(
            "{source} failed at reading {reading} after {took}: {}.",
            trace.name(cause)
        ),
    }
}
