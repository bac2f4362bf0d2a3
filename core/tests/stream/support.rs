//! What tests of channels have in common.

use futures::{FutureExt, StreamExt, task::ArcWake};
use highwater::stream::{Bound, Overflow, Receiver, Sender, Stats, channel};
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

pub(crate) fn items(high: usize, overflow: Overflow) -> (Sender<u32>, Receiver<u32>) {
    channel(Bound::items(high).unwrap(), overflow)
}

/// What can be read at once, up to the end.
pub(crate) fn read_all<T>(receiver: &mut Receiver<T>) -> Vec<T> {
    let mut all = Vec::new();
    while let Some(Some(Ok(item))) = receiver.next().now_or_never() {
        all.push(item);
    }
    all
}

/// Whatever happened: each item is somewhere.
pub(crate) fn stats<T>(receiver: &Receiver<T>) -> Stats {
    let stats = receiver.stats();
    let mut accounted = stats.received;
    accounted += stats.dropped;
    accounted += stats.queued;
    assert_eq!(stats.sent, accounted, "{stats:?}");
    stats
}

/// A waker that counts.
#[derive(Default)]
pub(crate) struct Woken(AtomicUsize);

impl ArcWake for Woken {
    fn wake_by_ref(woken: &Arc<Self>) {
        woken.0.fetch_add(1, Ordering::Relaxed);
    }
}

impl Woken {
    pub(crate) fn times(&self) -> usize {
        self.0.load(Ordering::Relaxed)
    }
}
