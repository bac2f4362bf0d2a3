//! Turns a record into a sentence.

use super::names::EMAIL;
use crate::{
    scenario::format::format_ms,
    trace::{Event, Phase, RecordKind, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let user = event.subject;
    let took = format_ms(event.duration);
    match (event.kind, event.phase, event.failure) {
        (RecordKind::Start, ..) => format!("{source} has started."),
        (RecordKind::Depend, ..) => format!("{source} depends on {target}."),
        (RecordKind::Subscribe, ..) => format!("{source} subscribes to {target}."),
        (RecordKind::Leak, ..) => format!("{source} warns: {target}."),
        (RecordKind::Drop, ..) => format!("{source}'s inbox is full: {user} dropped."),
        (RecordKind::Reject, ..) => {
            format!("{source}'s inbox is full: user {user} rejected.")
        }
        (RecordKind::Request, Phase::Begin, _) => format!("User {user} signs up at {source}."),
        (RecordKind::Request, _, None) => format!("User {user} is registered after {took}."),
        (RecordKind::Request, _, Some(cause)) => {
            format!("User {user} could not register: {}.", trace.name(cause))
        }
        (RecordKind::Call, ..) => format!("{source} calls {target} for user {user} and waits."),
        (RecordKind::Emit, ..) if source == EMAIL => {
            format!("{source}'s listener emits MailSent for user {user}.")
        }
        (RecordKind::Emit, ..) => format!("{source} emits UserRegistered for user {user}."),
        (RecordKind::Deliver, ..) => format!("The bus delivers user {user} to {target}."),
        (_, Phase::Begin, _) => format!("{source} handles user {user}."),
        (_, _, None) => format!("{source} handled user {user} in {took}."),
        (_, _, Some(cause)) => format!(
            "{source} failed for user {user} after {took}: {}.",
            trace.name(cause)
        ),
    }
}
