//! Helpers for tampering with traces.

use highwater::trace::{Event, NameId, Phase, RecordKind, Trace};

/// Returns the index of the first matching record.
pub(crate) fn index_of(trace: &Trace, matches: impl Fn(&Event) -> bool) -> usize {
    trace.events.iter().position(matches).unwrap()
}

/// Returns the cause of a record, or an empty string.
pub(crate) fn cause<'a>(trace: &'a Trace, event: &Event) -> &'a str {
    event.failure.map_or("", |cause| trace.name(cause))
}

/// Returns the index of the first end of this kind with this cause. An empty cause
/// means success.
pub(crate) fn end_of(trace: &Trace, kind: RecordKind, with: &str) -> usize {
    index_of(trace, |it| {
        it.kind == kind && it.phase != Phase::Begin && cause(trace, it) == with
    })
}

/// Returns the id of a name, adding the name if it is new.
pub(crate) fn name_id(trace: &mut Trace, name: &str) -> Option<NameId> {
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

/// Inserts a modified copy of a record after it.
pub(crate) fn insert_copy(trace: &mut Trace, index: usize, change: impl FnOnce(&mut Event)) {
    let mut copy = trace.events[index];
    change(&mut copy);
    trace.events.insert(index + 1, copy);
}
