//! A trace summary for the checks.

use super::names::{ALARM, SENSOR};
use crate::trace::{Event, NameId, Phase, RecordKind, Trace};

/// A summary of a trace, collected in one pass.
///
/// It is based on records only. Subscriptions and removals yield the listener list,
/// deliveries the calls of an emit.
#[derive(Default)]
pub(super) struct ObserverSummary {
    /// All emits, ordered by begin.
    pub(super) emits: Vec<EmitRecord>,
    /// All changes of the listener list, in order.
    pub(super) changes: Vec<ListChange>,
}

/// An emit, with the trace indices of its records.
pub(super) struct EmitRecord {
    /// The reading's number.
    pub(super) reading: u64,
    pub(super) begin: usize,
    pub(super) end: usize,
    /// Index of the enclosing emit, if it is nested.
    pub(super) outer: Option<usize>,
    /// The listener list at its begin.
    pub(super) list: Vec<NameId>,
    /// The listeners called, and the trace index of each call.
    pub(super) called: Vec<(NameId, usize)>,
    /// The listeners that failed.
    pub(super) failed: Vec<NameId>,
    /// `Some` once it has ended: `true` if it failed.
    pub(super) ended: Option<bool>,
}

/// An addition to or removal from the listener list.
#[derive(Clone, Copy)]
pub(super) struct ListChange {
    pub(super) listener: NameId,
    pub(super) is_removal: bool,
    pub(super) index: usize,
    /// Index of the emit during which it happened, if any.
    pub(super) during_emit: Option<usize>,
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
        // Indices of open emits, the innermost last.
        let mut open: Vec<usize> = Vec::new();
        let (sensor, alarm) = (trace.id(SENSOR), trace.id(ALARM));
        for (index, event) in trace.events.iter().enumerate() {
            let listener = event.source;
            match event.kind {
                RecordKind::Subscribe => {
                    let is_prepended = Some(listener) == alarm;
                    list.insert(if is_prepended { 0 } else { list.len() }, listener);
                    summary.add_change(event, index, open.last());
                }
                RecordKind::Unsubscribe => {
                    if let Some(index) = list.iter().position(|known| *known == listener) {
                        list.remove(index);
                    }
                    summary.add_change(event, index, open.last());
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

    fn add_change(&mut self, event: &Event, index: usize, during_emit: Option<&usize>) {
        self.changes.push(ListChange {
            listener: event.source,
            is_removal: event.kind == RecordKind::Unsubscribe,
            index,
            during_emit: during_emit.copied(),
        });
    }

    /// Returns the emit of a reading. Readings are numbered from 1 in emit order.
    fn emit(&mut self, reading: u64) -> Option<&mut EmitRecord> {
        let index = usize::try_from(reading).ok()?.checked_sub(1)?;
        self.emits.get_mut(index)
    }

    /// Returns the first addition or removal of a listener, if any.
    pub(super) fn change(&self, listener: Option<NameId>, is_removal: bool) -> Option<ListChange> {
        let mut changes = self.changes.iter().copied();
        changes.find(|it| Some(it.listener) == listener && it.is_removal == is_removal)
    }
}
