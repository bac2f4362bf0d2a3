//! An unbounded queue inside a simulated world. It is cheaper than a channel, because
//! both ends are on the same thread. Items are on their way for a while.

use futures_util::Stream;
use std::{
    cell::RefCell,
    collections::VecDeque,
    mem,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// A queue with one reader. The stream ends after the last item once the queue is closed.
pub(super) struct Queue<T>(Rc<RefCell<QueueState<T>>>);

struct QueueState<T> {
    /// The items that were sent, and `None` for the end.
    items: VecDeque<Option<T>>,
    /// The number of items that have arrived.
    arrived: usize,
    is_closed: bool,
    /// Kept after a wake-up, because the next one is most likely for the same task.
    reader: Option<Waker>,
    is_reader_waiting: bool,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Queue(Rc::new(RefCell::new(QueueState {
            items: VecDeque::new(),
            arrived: 0,
            is_closed: false,
            reader: None,
            is_reader_waiting: false,
        })))
    }

    /// Sends an item, or closes the queue if it is `None`. The reader gets it once it
    /// has [arrived](Self::arrive).
    pub(super) fn send(&self, item: Option<T>) {
        self.0.borrow_mut().items.push_back(item);
    }

    /// Replaces the next item that arrives.
    pub(super) fn replace_next(&self, item: T) {
        let mut state = self.0.borrow_mut();
        let arrived = state.arrived;
        match state.items.get_mut(arrived) {
            Some(next) => *next = Some(item),
            None => state.items.push_back(Some(item)),
        }
    }

    /// Delivers the next item that was sent.
    pub(super) fn arrive(&self) {
        let mut state = self.0.borrow_mut();
        state.arrived += 1;
        if mem::take(&mut state.is_reader_waiting)
            && let Some(reader) = state.reader.take()
        {
            drop(state);
            reader.wake_by_ref();
            self.0.borrow_mut().reader.get_or_insert(reader);
        }
    }
}

impl<T> Clone for Queue<T> {
    fn clone(&self) -> Self {
        Queue(Rc::clone(&self.0))
    }
}

impl<T> Stream for Queue<T> {
    type Item = T;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        let mut state = self.0.borrow_mut();
        if state.is_closed {
            return Poll::Ready(None);
        }
        if let Some(arrived) = state.arrived.checked_sub(1) {
            state.arrived = arrived;
            let item = state.items.pop_front().flatten();
            state.is_closed = item.is_none();
            return Poll::Ready(item);
        }
        let waker = context.waker();
        if !state.reader.as_ref().is_some_and(|it| it.will_wake(waker)) {
            state.reader = Some(waker.clone());
        }
        state.is_reader_waiting = true;
        Poll::Pending
    }
}
