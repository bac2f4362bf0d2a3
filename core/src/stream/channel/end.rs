//! How a channel ends: closed, failed or aborted.

use super::{
    queue::Queue,
    state::{End, Entry},
};
use crate::{
    BoxError,
    sync::{Ordering, lock},
};
use std::collections::VecDeque;

/// The leftovers of an abort, to be dropped: all queued items, and the earlier end.
pub(super) type Leftovers<T> = (Option<End>, VecDeque<Entry<T>>);

impl<T> Queue<T> {
    /// Whether the reader is to give its batch up.
    pub(super) fn is_aborted(&self) -> bool {
        self.is_aborted.load(Ordering::Acquire)
    }

    pub(super) fn is_closed(&self) -> bool {
        self.has_ended.load(Ordering::Acquire)
    }

    pub(super) fn add_sender(&self) {
        self.senders.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn remove_sender(&self) {
        if self.senders.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.close();
        }
    }

    pub(super) fn close(&self) -> bool {
        self.end(End::Closed)
    }

    pub(super) fn fail(&self, error: BoxError) -> bool {
        self.end(End::Failed(error))
    }

    /// Takes out what is queued, and cuts short what was closed or failed. `None`
    /// if that was done before. Everybody is woken by now.
    pub(super) fn abort(&self) -> Option<Leftovers<T>> {
        let mut state = lock(&self.guarded.state);
        if self.is_aborted() {
            return None;
        }
        let before = state.end.replace(End::Aborted);
        self.is_aborted.store(true, Ordering::Release);
        self.has_ended.store(true, Ordering::Release);
        let gone = state.take_all();
        self.publish(&state);
        let everybody = state.everybody();
        drop(state);
        everybody.wake();
        Some((before, gone))
    }

    /// The first end counts.
    fn end(&self, end: End) -> bool {
        let mut state = lock(&self.guarded.state);
        if state.end.is_some() {
            drop(state);
            drop(end);
            return false;
        }
        state.end = Some(end);
        self.has_ended.store(true, Ordering::Release);
        let everybody = state.everybody();
        drop(state);
        everybody.wake();
        true
    }
}
