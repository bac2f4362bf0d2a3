//! Early write-back: a file's data goes to disk while more of it arrives.

use std::fs::File;

/// Starts the write-back of a file's data in steps, so that the final sync has little
/// left to wait for. Without it, a sync takes longer than all writes before it.
#[derive(Debug, Default)]
pub(crate) struct WriteBack {
    /// Bytes written to the file.
    written: u64,
    /// Bytes whose write-back was started.
    started: u64,
}

impl WriteBack {
    /// The bytes written between two starts.
    const STEP: u64 = 8 << 20;

    /// Counts bytes appended to the file, which must have been empty at first.
    pub(crate) fn add(&mut self, file: &File, count: usize) {
        self.written += count as u64;
        if self.written - self.started >= Self::STEP {
            start(file, self.started, self.written - self.started);
            self.started = self.written;
        }
    }
}

/// Starts the write-back of a range. Linux does so for pages that the program does not
/// need any more.
#[cfg(target_os = "linux")]
fn start(file: &File, offset: u64, length: u64) {
    use rustix::fs::{Advice, fadvise};
    // A file system that ignores it writes the data at the final sync.
    let _ = fadvise(
        file,
        offset,
        std::num::NonZeroU64::new(length),
        Advice::DontNeed,
    );
}

#[cfg(not(target_os = "linux"))]
fn start(_file: &File, _offset: u64, _length: u64) {}
