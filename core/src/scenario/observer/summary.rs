//! What the checks ask of a trace.

use super::{ALARM, SENSOR};
use crate::trace::{Event, NameId, Phase, RecordKind, Trace};

/// Gathered in one pass over the trace, which is told by its records alone: the
/// list is what was added to it and removed from it, an emit called whom it
/// delivered to.
#[derive(Default)]
pub(super) struct ObserverSummary {
    /// In the order in which they began.
    pub(super) emits: Vec<EmitRecord>,
    /// Changes of the list, in order.
    pub(super) changes: Vec<ListChange>,
}

/// One emit, by the places of its records in the trace.
pub(super) struct EmitRecord {
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
pub(super) struct ListChange {
    pub(super) listener: NameId,
    pub(super) is_removal: bool,
    pub(super) index: usize,
    /// In the midst of which emit, as an index.
    pub(super) within: Option<usize>,
}

impl EmitRecord {
    pub(super) fn has_called(&self, listener: NameId) -> bool {
        self.called.iter().any(|(called, _)| *called == listener)
    }
}

impl ObserverSummary {
    pub(super) fn of(trace: &Trace) -> Self {
        let mut summary = ObserverSummary::default();
        let mut list: Vec<NameId> = Vec::new();
        // Emits that have begun, the innermost last.
        let mut open: Vec<usize> = Vec::new();
        let (sensor, alarm) = (trace.id(SENSOR), trace.id(ALARM));
        for (index, event) in trace.events.iter().enumerate() {
            let listener = event.source;
            match event.kind {
                RecordKind::Subscribe => {
                    let first = Some(listener) == alarm;
                    list.insert(if first { 0 } else { list.len() }, listener);
                    summary.note_change(event, index, open.last());
                }
                RecordKind::Unsubscribe => {
                    if let Some(index) = list.iter().position(|known| *known == listener) {
                        list.remove(index);
                    }
                    summary.note_change(event, index, open.last());
                }
                RecordKind::Emit => {
                    summary.emits.push(EmitRecord {
                        reading: event.subject,
                        begin: index,
                        end: index,
                        outer: open.last().copied(),
                        list: list.clone(),
                        called: Vec::new(),
                        failed: Vec::new(),
                        ended: None,
                    });
                    open.push(summary.emits.len() - 1);
                }
                RecordKind::Deliver => {
                    let emit = summary.emit(event.subject);
                    if let (Some(emit), Some(to)) = (emit, event.target) {
                        emit.called.push((to, index));
                    }
                }
                RecordKind::Handle if event.phase == Phase::End && event.failure.is_some() => {
                    if let Some(emit) = summary.emit(event.subject) {
                        emit.failed.push(event.source);
                    }
                }
                RecordKind::Request
                    if event.phase == Phase::End && Some(event.source) == sensor =>
                {
                    open.pop();
                    if let Some(emit) = summary.emit(event.subject) {
                        emit.end = index;
                        emit.ended = Some(event.failure.is_some());
                    }
                }
                _ => {}
            }
        }
        summary
    }

    fn note_change(&mut self, event: &Event, index: usize, within: Option<&usize>) {
        self.changes.push(ListChange {
            listener: event.source,
            is_removal: event.kind == RecordKind::Unsubscribe,
            index,
            within: within.copied(),
        });
    }

    /// Readings are numbered from 1 as they are emitted.
    fn emit(&mut self, reading: u64) -> Option<&mut EmitRecord> {
        let index = usize::try_from(reading).ok()?.checked_sub(1)?;
        self.emits.get_mut(index)
    }

    /// When a listener was added or removed, if it was.
    pub(super) fn change(&self, listener: Option<NameId>, is_removal: bool) -> Option<ListChange> {
        let mut changes = self.changes.iter().copied();
        changes.find(|it| Some(it.listener) == listener && it.is_removal == is_removal)
    }
}
