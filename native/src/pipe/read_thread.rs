//! The read thread, the source of the pipeline.

use super::{
    buffers::{BufferPool, Chunk},
    counters::Counters,
    input::Input,
};
use crate::blocking::Blocking;
use futures::executor::block_on;
use highwater::{
    Clock, Overflow,
    stream::{Bound, Receiver, Sender, channel_with_clock},
};
use std::{
    io::{self, Read},
    sync::Arc,
    thread,
};

/// Configuration of the read thread.
pub(crate) struct ReadThread {
    /// The pool of chunks. Each read fills at most one chunk.
    pub(crate) buffers: Arc<BufferPool>,
    /// The high-water mark of the channel.
    pub(crate) bound: Bound<Chunk>,
    /// Sends only full chunks, except for the last one, and at least one chunk even if
    /// the input is empty. If false, each read is sent at once.
    pub(crate) sends_full_chunks: bool,
    /// Measures how long the thread was stalled.
    pub(crate) clock: Arc<dyn Clock>,
    /// Counts the bytes read.
    pub(crate) counters: Arc<Counters>,
}

impl ReadThread {
    /// Starts the thread, which reads ahead up to the high-water mark. Reads of files and
    /// pipes block, so they need their own thread.
    ///
    /// The thread exits at the end of the input or when the receiver is dropped. If a
    /// read never returns, the thread exits with the process.
    ///
    /// # Errors
    ///
    /// If the thread cannot be started.
    pub(crate) fn start(self, input: Input) -> io::Result<Receiver<Chunk>> {
        let clock = Arc::clone(&self.clock);
        let (sender, receiver) = channel_with_clock(self.bound, Overflow::Wait, clock);
        let guard = SenderGuard(Some(sender));
        thread::Builder::new()
            .name("read".to_owned())
            .spawn(move || {
                let result = self.read(input, &guard);
                guard.finish(result);
            })?;
        Ok(receiver)
    }

    fn read(&self, input: Input, guard: &SenderGuard) -> io::Result<()> {
        let Some(sender) = &guard.0 else {
            return Ok(());
        };
        let mut reader = input.open()?;
        let mut needs_send = self.sends_full_chunks;
        // Wait for channel capacity before reading, so that no chunk is held outside the
        // channel.
        while block_on(sender.ready()).is_ok() {
            let mut chunk = self.buffers.take();
            let is_last = self.fill(&mut reader, &mut chunk)?;
            self.counters.add_read(chunk.len());
            needs_send |= !chunk.is_empty();
            if needs_send && sender.force_send(chunk).is_err() || is_last {
                break;
            }
            needs_send = false;
        }
        let stalled = sender.stats().stalled;
        self.counters.set_stalled(stalled.unwrap_or_default());
        Ok(())
    }

    /// Fills a chunk. Returns true at the end of the input.
    fn fill(&self, reader: &mut Blocking, chunk: &mut Chunk) -> io::Result<bool> {
        loop {
            match reader.read(chunk.unfilled()) {
                Ok(0) => return Ok(true),
                Ok(len) => chunk.advance(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if !self.sends_full_chunks || chunk.unfilled().is_empty() {
                return Ok(false);
            }
        }
    }
}

/// A sender that aborts the channel if the thread panics. Simply dropping the sender
/// would close the channel, and partial input would look complete.
struct SenderGuard(Option<Sender<Chunk>>);

impl SenderGuard {
    fn finish(mut self, result: io::Result<()>) {
        if let Some(sender) = self.0.take() {
            match result {
                Ok(()) => sender.close(),
                Err(error) => sender.fail(error),
            };
        }
    }
}

impl Drop for SenderGuard {
    fn drop(&mut self) {
        if let Some(sender) = &self.0 {
            sender.abort();
        }
    }
}
