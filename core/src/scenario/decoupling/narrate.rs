//! One record as a sentence.

use super::EMAIL;
use crate::{
    scenario::format::format_ms,
    trace::{Event, Kind, Phase, Trace},
};

pub(super) fn narrate(trace: &Trace, event: &Event) -> String {
    let source = trace.name(event.source);
    let target = event.target.map_or("", |target| trace.name(target));
    let user = event.subject;
    let took = format_ms(event.duration);
    match (event.kind, event.phase, event.failure) {
        (Kind::Start, ..) => format!("{source} has started."),
        (Kind::Depend, ..) => format!("{source} depends on {target}."),
        (Kind::Subscribe, ..) => format!("{source} subscribes to {target}."),
        (Kind::Leak, ..) => format!("{source} warns: {target}."),
        (Kind::Drop, ..) => format!("The inbox of {source} is full: {user} dropped."),
        (Kind::Refuse, ..) => format!("The inbox of {source} is full: user {user} is refused."),
        (Kind::Request, Phase::Begin, _) => format!("User {user} signs up at {source}."),
        (Kind::Request, _, None) => format!("User {user} is registered, after {took}."),
        (Kind::Request, _, Some(cause)) => {
            format!("User {user} could not register: {}.", trace.name(cause))
        }
        (Kind::Call, ..) => format!("{source} calls {target} for user {user} and waits."),
        (Kind::Emit, ..) if source == EMAIL => {
            format!("{source}, still at it, emits MailSent for user {user}.")
        }
        (Kind::Emit, ..) => format!("{source} emits UserRegistered for user {user}."),
        (Kind::Deliver, ..) => format!("The bus hands user {user} to {target}."),
        (_, Phase::Begin, _) => format!("{source} works on user {user}."),
        (_, _, None) => format!("{source} is done with user {user}, after {took}."),
        (_, _, Some(cause)) => format!(
            "{source} failed for user {user}, after {took}: {}.",
            trace.name(cause)
        ),
    }
}
