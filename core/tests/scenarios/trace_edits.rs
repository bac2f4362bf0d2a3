//! What is done to a trace to see whether a check notices.

use highwater::trace::{Event, NameId, Phase, RecordKind, Trace};

/// The place of the first record that is like this.
pub(crate) fn first(trace: &Trace, is_it: impl Fn(&Event) -> bool) -> usize {
    trace.events.iter().position(is_it).unwrap()
}

/// The cause of a record.
pub(crate) fn cause<'a>(trace: &'a Trace, event: &Event) -> &'a str {
    event.failure.map_or("", |cause| trace.name(cause))
}

/// The first end of that kind with that cause: "" if it ended well.
pub(crate) fn ended(trace: &Trace, kind: RecordKind, with: &str) -> usize {
    first(trace, |it| {
        it.kind == kind && it.phase != Phase::Begin && cause(trace, it) == with
    })
}

/// The id of a name, which is entered into the table if it is not there yet.
pub(crate) fn name(trace: &mut Trace, name: &str) -> Option<NameId> {
    if trace.id(name).is_none() {
        trace.names.push(name.to_owned());
    }
    trace.id(name)
}

pub(crate) fn set_param(trace: &mut Trace, key: &str, value: &str) {
    let mut params = trace.params.iter_mut();
    let (_, param) = params.find(|(known, _)| known == key).unwrap();
    value.clone_into(param);
}

/// Puts a copy of a record behind it, changed.
pub(crate) fn forge(trace: &mut Trace, place: usize, change: impl FnOnce(&mut Event)) {
    let mut copy = trace.events[place];
    change(&mut copy);
    trace.events.insert(place + 1, copy);
}
