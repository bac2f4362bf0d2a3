//! What the two ends have done so far.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Counted by the threads that read and write, looked at by the progress bar
/// and the summary.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    read: AtomicU64,
    written: AtomicU64,
    stalled_nanos: AtomicU64,
}

impl Counters {
    /// Bytes were read.
    pub(crate) fn add_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes were written.
    pub(crate) fn add_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How long reading had to wait for room in all.
    pub(crate) fn set_stalled(&self, stalled: Duration) {
        let nanos = u64::try_from(stalled.as_nanos()).unwrap_or(u64::MAX);
        self.stalled_nanos.store(nanos, Ordering::Relaxed);
    }

    /// Bytes read so far.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// How long reading waited for room, known when it has ended.
    pub(crate) fn stalled(&self) -> Duration {
        Duration::from_nanos(self.stalled_nanos.load(Ordering::Relaxed))
    }
}
