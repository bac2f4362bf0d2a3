//! What the checks ask of a trace.

use super::{ALARM, SENSOR};
use crate::trace::{Event, Kind, NameId, Phase, Trace};

/// Gathered in one pass over the trace, which is told by its records alone: the
/// list is what was added to it and removed from it, an emit called whom it
/// delivered to.
#[derive(Default)]
pub(super) struct Facts {
    /// In the order in which they began.
    pub(super) emits: Vec<Emit>,
    /// Changes of the list, in order.
    pub(super) changes: Vec<Change>,
}

/// One emit, by the places of its records in the trace.
pub(super) struct Emit {
    /// The reading's number.
    pub(super) reading: u64,
    pub(super) begin: usize,
    pub(super) end: usize,
    /// Which emit it began in, as an index.
    pub(super) outer: Option<usize>,
    /// The list when it began.
    pub(super) list: Vec<NameId>,
    /// Whom it called, and where that is on record.
    pub(super) called: Vec<(NameId, usize)>,
    /// Who failed at it.
    pub(super) failed: Vec<NameId>,
    /// Whether it ended, and by a failure.
    pub(super) ended: Option<bool>,
}

/// A listener was added or removed.
#[derive(Clone, Copy)]
pub(super) struct Change {
    pub(super) listener: NameId,
    pub(super) is_removal: bool,
    pub(super) place: usize,
    /// In the midst of which emit, as an index.
    pub(super) within: Option<usize>,
}

impl Emit {
    pub(super) fn has_called(&self, listener: NameId) -> bool {
        self.called.iter().any(|(called, _)| *called == listener)
    }
}

impl Facts {
    pub(super) fn of(trace: &Trace) -> Self {
        let mut facts = Facts::default();
        let mut list: Vec<NameId> = Vec::new();
        // Emits that have begun, the innermost last.
        let mut open: Vec<usize> = Vec::new();
        let (sensor, alarm) = (trace.id(SENSOR), trace.id(ALARM));
        for (place, event) in trace.events.iter().enumerate() {
            let listener = event.source;
            match event.kind {
                Kind::Subscribe => {
                    let first = Some(listener) == alarm;
                    list.insert(if first { 0 } else { list.len() }, listener);
                    facts.note_change(event, place, open.last());
                }
                Kind::Unsubscribe => {
                    if let Some(index) = list.iter().position(|known| *known == listener) {
                        list.remove(index);
                    }
                    facts.note_change(event, place, open.last());
                }
                Kind::Emit => {
                    facts.emits.push(Emit {
                        reading: event.subject,
                        begin: place,
                        end: place,
                        outer: open.last().copied(),
                        list: list.clone(),
                        called: Vec::new(),
                        failed: Vec::new(),
                        ended: None,
                    });
                    open.push(facts.emits.len() - 1);
                }
                Kind::Deliver => {
                    let emit = facts.emit(event.subject);
                    if let (Some(emit), Some(to)) = (emit, event.target) {
                        emit.called.push((to, place));
                    }
                }
                Kind::Handle if event.phase == Phase::End && event.failure.is_some() => {
                    if let Some(emit) = facts.emit(event.subject) {
                        emit.failed.push(event.source);
                    }
                }
                Kind::Request if event.phase == Phase::End && Some(event.source) == sensor => {
                    open.pop();
                    if let Some(emit) = facts.emit(event.subject) {
                        emit.end = place;
                        emit.ended = Some(event.failure.is_some());
                    }
                }
                _ => {}
            }
        }
        facts
    }

    fn note_change(&mut self, event: &Event, place: usize, within: Option<&usize>) {
        self.changes.push(Change {
            listener: event.source,
            is_removal: event.kind == Kind::Unsubscribe,
            place,
            within: within.copied(),
        });
    }

    /// Readings are numbered from 1 as they are emitted.
    fn emit(&mut self, reading: u64) -> Option<&mut Emit> {
        let index = usize::try_from(reading).ok()?.checked_sub(1)?;
        self.emits.get_mut(index)
    }

    /// When a listener was added or removed, if it was.
    pub(super) fn change(&self, listener: Option<NameId>, is_removal: bool) -> Option<Change> {
        let mut changes = self.changes.iter().copied();
        changes.find(|it| Some(it.listener) == listener && it.is_removal == is_removal)
    }
}
