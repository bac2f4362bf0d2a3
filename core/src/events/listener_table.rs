//! The listeners and monitors of one emitter.

use super::{
    ListenerId, Registration,
    listener::{InfallibleCall, ListenerEntry},
    monitor::Monitor,
};
use std::sync::Arc;

/// The listeners and monitors of an emitter, of which each emit takes a snapshot.
pub(super) struct ListenerTable<E: ?Sized> {
    listeners: Vec<ListenerEntry<E>>,
    monitors: Vec<Monitor<E>>,
    is_plain: bool,
    has_leaked: bool,
}

/// The end of the list at which a listener is added.
#[derive(Clone, Copy)]
pub(super) enum ListenerPosition {
    First,
    Last,
}

/// A removed listener or monitor. The caller drops it outside the lock.
pub(super) struct Removed<E: ?Sized> {
    pub(super) listener: Option<ListenerEntry<E>>,
    _monitor: Option<Monitor<E>>,
}

impl<E: ?Sized> ListenerTable<E> {
    pub(super) fn new() -> Self {
        ListenerTable {
            listeners: Vec::new(),
            monitors: Vec::new(),
            is_plain: false,
            has_leaked: false,
        }
    }

    pub(super) fn listeners(&self) -> &[ListenerEntry<E>] {
        &self.listeners
    }

    pub(super) fn monitors(&self) -> &[Monitor<E>] {
        &self.monitors
    }

    /// Returns whether an emit can simply call every listener: there are no monitors,
    /// and no listener is `once` or checked for live removal.
    pub(super) fn is_plain(&self) -> bool {
        self.is_plain
    }

    /// Returns a direct call for each listener, if the table is
    /// [plain](Self::is_plain) and no listener can fail.
    pub(super) fn infallible_calls(&self) -> Option<Vec<InfallibleCall<E>>> {
        if !self.is_plain {
            return None;
        }
        let call = |entry: &ListenerEntry<E>| Arc::clone(&entry.listen).into_infallible_call();
        self.listeners.iter().map(call).collect()
    }

    pub(super) fn registrations(&self) -> Vec<Registration> {
        let entries = self.listeners.iter();
        entries.map(|entry| entry.registration().clone()).collect()
    }

    pub(super) fn add(&mut self, position: ListenerPosition, entry: ListenerEntry<E>) {
        let index = match position {
            ListenerPosition::First => 0,
            ListenerPosition::Last => self.listeners.len(),
        };
        self.listeners.insert(index, entry);
        self.update_is_plain();
    }

    /// Returns whether there are now more than `max` listeners, for the first time
    /// since the list was empty. A `max` of 0 disables the check.
    pub(super) fn starts_leaking(&mut self, max: usize) -> bool {
        let leaks = max > 0 && self.listeners.len() > max;
        leaks && !std::mem::replace(&mut self.has_leaked, true)
    }

    pub(super) fn add_monitor(&mut self, monitor: Monitor<E>) {
        self.monitors.push(monitor);
        self.is_plain = false;
    }

    pub(super) fn has(&self, id: ListenerId) -> bool {
        let mut monitors = self.monitors.iter();
        self.listeners.iter().any(|entry| entry.id() == id)
            || monitors.any(|monitor| monitor.id == id)
    }

    pub(super) fn remove(&mut self, id: ListenerId) -> Option<Removed<E>> {
        let listener = self.listeners.iter().position(|entry| entry.id() == id);
        let monitor = self.monitors.iter().position(|monitor| monitor.id == id);
        if listener.is_none() && monitor.is_none() {
            return None;
        }
        let removed = Removed {
            listener: listener.map(|index| self.listeners.remove(index)),
            _monitor: monitor.map(|index| self.monitors.remove(index)),
        };
        // Once emptied, a list can warn again, as in Node.
        self.has_leaked &= !self.listeners.is_empty();
        self.update_is_plain();
        Some(removed)
    }

    fn update_is_plain(&mut self) {
        let mut listeners = self.listeners.iter();
        self.is_plain = !self.listeners.is_empty()
            && self.monitors.is_empty()
            && !listeners.any(ListenerEntry::is_conditional);
    }

    pub(super) fn take_listeners(&mut self) -> Vec<ListenerEntry<E>> {
        self.is_plain = false;
        self.has_leaked = false;
        std::mem::take(&mut self.listeners)
    }
}

impl<E: ?Sized> Clone for ListenerTable<E> {
    fn clone(&self) -> Self {
        ListenerTable {
            listeners: self.listeners.clone(),
            monitors: self.monitors.clone(),
            is_plain: self.is_plain,
            has_leaked: self.has_leaked,
        }
    }
}
