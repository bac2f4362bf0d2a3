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
        if let Some((offset, length)) = self.due(count) {
            start(file, offset, length);
        }
    }

    /// Counts bytes. Returns the offset and length of the data to write back now.
    fn due(&mut self, count: usize) -> Option<(u64, u64)> {
        self.written += count as u64;
        let length = self.written - self.started;
        (length >= Self::STEP).then(|| (std::mem::replace(&mut self.started, self.written), length))
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

#[cfg(test)]
mod tests {
    use super::WriteBack;

    #[test]
    fn steps_cover_the_file_without_gaps() {
        let mut write_back = WriteBack::default();
        let (mut end, mut steps) = (0, 0);
        for count in [1, 5 << 20, 3 << 20, 300 << 20, 0, 7 << 20, 9 << 20] {
            let written = write_back.written + count as u64;
            if let Some((offset, length)) = write_back.due(count) {
                assert_eq!((offset, offset + length), (end, written));
                assert!(length >= WriteBack::STEP);
                end = written;
                steps += 1;
            }
            assert!(written - end < WriteBack::STEP, "write-back falls behind");
        }
        assert_eq!(steps, 3);
    }
}
