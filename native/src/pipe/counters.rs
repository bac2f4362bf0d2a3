//! Progress counters of the read and write threads.

use std::{
    sync::{
        OnceLock,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

/// Counters that the read and write threads update, for the progress bar and the summary.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    read: AtomicU64,
    written: AtomicU64,
    stalled: OnceLock<Duration>,
}

impl Counters {
    /// Adds bytes read.
    pub(crate) fn add_read(&self, bytes: usize) {
        self.read.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Adds bytes written.
    pub(crate) fn add_written(&self, bytes: usize) {
        self.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Sets the total time that the read thread was stalled, once.
    pub(crate) fn set_stalled(&self, stalled: Duration) {
        let _ = self.stalled.set(stalled);
    }

    /// Returns the bytes read so far.
    pub(crate) fn read(&self) -> u64 {
        self.read.load(Ordering::Relaxed)
    }

    /// Returns the bytes written so far.
    pub(crate) fn written(&self) -> u64 {
        self.written.load(Ordering::Relaxed)
    }

    /// Returns the total time that the read thread was stalled, or zero until the thread
    /// exits.
    pub(crate) fn stalled(&self) -> Duration {
        self.stalled.get().copied().unwrap_or_default()
    }
}
