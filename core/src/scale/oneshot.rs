//! A channel for one value: the result of accepted work.
//!
//! Small enough that the library needs no dependency for it. No user code runs under
//! its lock: values and wakers are cloned, dropped and woken after it is released.

use crate::sync::{Arc, Mutex, lock};
use std::{
    mem,
    task::{Context, Poll, Waker},
};

/// Creates both ends of a channel.
pub(crate) fn oneshot<T>() -> (Sender<T>, Receiver<T>) {
    let shared = Arc::new(Mutex::new(State::Empty(None)));
    (Sender(Arc::clone(&shared)), Receiver(shared))
}

enum State<T> {
    /// The initial state. Holds the waker of a waiting receiver.
    Empty(Option<Waker>),
    Sent(T),
    /// The value was received, or one end was dropped before that.
    Closed,
}

pub(crate) struct Sender<T>(Arc<Mutex<State<T>>>);

impl<T> Sender<T> {
    /// Sends the value, or returns it if the receiver was dropped.
    pub(crate) fn send(self, value: T) -> Result<(), T> {
        let mut state = lock(&self.0);
        match mem::replace(&mut *state, State::Closed) {
            State::Empty(waker) => {
                *state = State::Sent(value);
                drop(state);
                if let Some(waker) = waker {
                    waker.wake();
                }
                Ok(())
            }
            State::Sent(_) | State::Closed => Err(value),
        }
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        let mut state = lock(&self.0);
        let State::Empty(waker) = &mut *state else {
            return;
        };
        let waker = waker.take();
        *state = State::Closed;
        drop(state);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

pub(crate) struct Receiver<T>(Arc<Mutex<State<T>>>);

impl<T> Receiver<T> {
    /// Returns the value, or `None` if the sender was dropped without sending one.
    pub(crate) fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<T>> {
        let waker = context.waker().clone();
        let mut state = lock(&self.0);
        if let State::Empty(waiting) = &mut *state {
            let before = waiting.replace(waker);
            drop(state);
            drop(before);
            return Poll::Pending;
        }
        match mem::replace(&mut *state, State::Closed) {
            State::Sent(value) => Poll::Ready(Some(value)),
            State::Empty(_) | State::Closed => Poll::Ready(None),
        }
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        let before = mem::replace(&mut *lock(&self.0), State::Closed);
        drop(before);
    }
}
