//! An unbounded queue inside a simulated world. It is cheaper than a channel, because
//! both ends are on the same thread.

use futures_util::Stream;
use std::{
    cell::RefCell,
    collections::VecDeque,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

/// A queue with one reader. The stream ends after the last item once the queue is closed.
pub(super) struct Queue<T>(Rc<RefCell<QueueState<T>>>);

struct QueueState<T> {
    items: VecDeque<T>,
    is_closed: bool,
    reader: Option<Waker>,
}

impl<T> Queue<T> {
    pub(super) fn new() -> Self {
        Queue(Rc::new(RefCell::new(QueueState {
            items: VecDeque::new(),
            is_closed: false,
            reader: None,
        })))
    }

    /// Adds an item, or closes the queue if it is `None`.
    pub(super) fn push(&self, item: Option<T>) {
        let mut state = self.0.borrow_mut();
        match item {
            Some(item) => state.items.push_back(item),
            None => state.is_closed = true,
        }
        let reader = state.reader.take();
        drop(state);
        if let Some(reader) = reader {
            reader.wake();
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
        let item = state.items.pop_front();
        if item.is_some() || state.is_closed {
            return Poll::Ready(item);
        }
        let waker = context.waker();
        if !state.reader.as_ref().is_some_and(|it| it.will_wake(waker)) {
            state.reader = Some(waker.clone());
        }
        Poll::Pending
    }
}
