//! Emulation of Node's `drain` event.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use highwater::stream::{ReadyFuture, Sender};

pub(super) struct Drain<'a, T> {
    sender: &'a Sender<T>,
    /// `Some` from a `write` that returned `false` until `drain`. It is polled only
    /// after a wake-up, so that a missing wake-up is detected.
    waiting: Option<ReadyFuture<'a, T>>,
    woken: Arc<WakeFlag>,
}

#[derive(Default)]
struct WakeFlag(AtomicBool);

impl<'a, T> Drain<'a, T> {
    pub(super) fn new(sender: &'a Sender<T>) -> Self {
        Drain {
            sender,
            waiting: None,
            woken: Arc::default(),
        }
    }

    /// Returns whether a writer must wait. If so, starts the wait.
    pub(super) fn must_wait(&mut self) -> bool {
        if self.waiting.is_none() {
            self.waiting = Some(self.sender.ready());
            self.poll();
        }
        self.waiting.is_some()
    }

    /// Returns whether the waiting writer was woken and not polled since.
    pub(super) fn is_woken(&self) -> bool {
        self.woken.0.load(Ordering::Relaxed)
    }

    /// Polls a woken writer. Returns whether the channel has room.
    pub(super) fn poll_woken(&mut self) -> bool {
        self.woken.0.swap(false, Ordering::Relaxed) && self.poll()
    }

    /// Returns whether the wait ended because the channel has room.
    fn poll(&mut self) -> bool {
        let Some(ready) = &mut self.waiting else {
            return false;
        };
        let waker = Waker::from(Arc::clone(&self.woken));
        let Poll::Ready(result) = Pin::new(ready).poll(&mut Context::from_waker(&waker)) else {
            return false;
        };
        self.waiting = None;
        result.is_ok()
    }
}

impl Wake for WakeFlag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Ordering::Relaxed);
    }
}
