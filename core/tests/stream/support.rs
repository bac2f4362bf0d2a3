//! Helpers for channel tests.

use futures::{FutureExt, StreamExt, task::ArcWake};
use highwater::stream::{Bound, Overflow, Receiver, Sender, Stats, channel};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// Returns a channel bounded by a number of items.
pub(crate) fn bounded(high: usize, overflow: Overflow) -> (Sender<u32>, Receiver<u32>) {
    channel(Bound::items(high).unwrap(), overflow)
}

/// Receives all queued items.
pub(crate) fn read_all<T>(receiver: &mut Receiver<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(Some(Ok(item))) = receiver.next().now_or_never() {
        all.push(item);
    }
    all
}

/// Returns the stats after checking that every sent item is accounted for.
pub(crate) fn stats<T>(receiver: &Receiver<T>) -> Stats {
    let stats = receiver.stats();
    let mut accounted_for = stats.received;
    accounted_for += stats.dropped;
    accounted_for += stats.queued;
    assert_eq!(stats.sent, accounted_for, "{stats:?}");
    stats
}

/// A waker that counts its wake-ups.
#[derive(Default)]
pub(crate) struct WakeCounter(AtomicUsize);

impl ArcWake for WakeCounter {
    fn wake_by_ref(counter: &Arc<Self>) {
        counter.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl WakeCounter {
    pub(crate) fn count(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
