//! How a channel ends: closed, failed or aborted.

use super::{
    queue::Queue,
    state::{End, wake_all},
};
use crate::{
    stream::BoxError,
    sync::{Ordering, lock},
};

impl<T> Queue<T> {
    /// Whether the reader is to give its batch up.
    pub(super) fn is_aborted(&self) -> bool {
        self.is_aborted.load(Ordering::Acquire)
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

    /// Discards what is queued. Cuts short what was closed or failed, too.
    pub(super) fn abort(&self) -> bool {
        let mut state = lock(&self.state);
        if matches!(state.end, Some(End::Aborted)) || self.is_aborted() {
            return false;
        }
        let before = state.end.replace(End::Aborted);
        self.is_aborted.store(true, Ordering::Release);
        let gone = state.take_all();
        let (reader, waiting) = state.everybody();
        drop(state);
        drop((before, gone));
        wake_all(reader, waiting);
        true
    }

    pub(super) fn is_closed(&self) -> bool {
        lock(&self.state).end.is_some()
    }

    /// The first end counts.
    fn end(&self, end: End) -> bool {
        let mut state = lock(&self.state);
        if state.end.is_some() {
            drop(state);
            drop(end);
            return false;
        }
        state.end = Some(end);
        let (reader, waiting) = state.everybody();
        drop(state);
        wake_all(reader, waiting);
        true
    }
}
