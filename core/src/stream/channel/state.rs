//! What a channel's lock guards.

use super::line::Line;
use crate::stream::{Amount, BoxError};
use std::{collections::VecDeque, task::Waker};

pub(super) struct Entry<T> {
    pub(super) value: T,
    pub(super) weight: usize,
}

pub(super) struct State<T> {
    pub(super) entries: VecDeque<Entry<T>>,
    pub(super) weight: usize,
    /// The weight of the reader's batch when it was last looked at: no less
    /// than what is unread.
    pub(super) lent: usize,
    /// Whether the queue has been at the low mark since it was at the high one.
    pub(super) is_open: bool,
    pub(super) end: Option<End>,
    pub(super) reader: Option<Waker>,
    pub(super) line: Line,
    pub(super) sent: Amount,
    pub(super) lent_ever: Amount,
    pub(super) dropped: Amount,
    pub(super) refused: Amount,
    pub(super) peak: usize,
}

/// What the reader finds behind the last item.
pub(super) enum End {
    Closed,
    Failed(BoxError),
    Aborted,
}

impl<T> State<T> {
    pub(super) fn new() -> Self {
        State {
            entries: VecDeque::new(),
            weight: 0,
            lent: 0,
            is_open: true,
            end: None,
            reader: None,
            line: Line::default(),
            sent: Amount::default(),
            lent_ever: Amount::default(),
            dropped: Amount::default(),
            refused: Amount::default(),
            peak: 0,
        }
    }

    pub(super) fn total(&self) -> usize {
        self.weight.saturating_add(self.lent)
    }

    pub(super) fn take_first(&mut self) -> Option<Entry<T>> {
        let first = self.entries.pop_front()?;
        self.weight = self.weight.saturating_sub(first.weight);
        Some(first)
    }

    pub(super) fn take_oldest(&mut self) -> Option<Entry<T>> {
        let oldest = self.take_first()?;
        self.dropped += Amount::one(oldest.weight);
        Some(oldest)
    }

    pub(super) fn take_all(&mut self) -> VecDeque<Entry<T>> {
        self.dropped += Amount::new(self.entries.len(), std::mem::take(&mut self.weight));
        std::mem::take(&mut self.entries)
    }

    pub(super) fn everybody(&mut self) -> (Option<Waker>, Vec<Waker>) {
        (self.reader.take(), self.line.call_all())
    }
}

pub(super) fn wake(waker: Option<Waker>) {
    if let Some(waker) = waker {
        waker.wake();
    }
}

pub(super) fn wake_all(reader: Option<Waker>, waiting: Vec<Waker>) {
    wake(reader);
    for waker in waiting {
        waker.wake();
    }
}
