//! A writer that waits for room, as Node's `drain` event tells of it.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use highwater::stream::{ReadyFuture, Sender};

pub(super) struct Drain<'a, T> {
    sender: &'a Sender<T>,
    /// Pending from a `false` to its `drain`. It is polled when it was woken,
    /// and only then: a wake that is missing shows.
    waiting: Option<ReadyFuture<'a, T>>,
    woken: Arc<Woken>,
}

#[derive(Default)]
struct Woken(AtomicBool);

impl<'a, T> Drain<'a, T> {
    pub(super) fn new(sender: &'a Sender<T>) -> Self {
        Drain {
            sender,
            waiting: None,
            woken: Arc::default(),
        }
    }

    /// Whether a writer would have to wait; if so, it does from now on.
    pub(super) fn waits(&mut self) -> bool {
        if self.waiting.is_none() {
            self.waiting = Some(self.sender.ready());
            self.poll();
        }
        self.waiting.is_some()
    }

    /// Whether it was woken, and has not looked yet.
    pub(super) fn is_due(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Whether it was woken, and there is room.
    pub(super) fn has_come(&mut self) -> bool {
        self.woken.0.swap(false, Ordering::Relaxed) && self.poll()
    }

    /// Whether the wait is over, and not because of the end.
    fn poll(&mut self) -> bool {
        let Some(ready) = &mut self.waiting else {
            return false;
        };
        let waker = Waker::from(Arc::clone(&self.woken));
        let Poll::Ready(room) = Pin::new(ready).poll(&mut Context::from_waker(&waker)) else {
            return false;
        };
        self.waiting = None;
        room.is_ok()
    }
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
