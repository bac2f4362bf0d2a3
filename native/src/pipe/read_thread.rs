//! The thread that reads.

use super::{
    buffers::{Buffers, Chunk},
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

/// How to read.
pub(crate) struct ReadThread {
    /// Where chunks come from; their size is that of a read.
    pub(crate) buffers: Arc<Buffers>,
    /// How far to read ahead.
    pub(crate) bound: Bound<Chunk>,
    /// Whether chunks are blocks: full but for the last, and at least one, even
    /// if that is empty. If not, what a pipe gives is handed on at once.
    pub(crate) in_blocks: bool,
    /// Measures how long there is no room.
    pub(crate) clock: Arc<dyn Clock>,
    /// What is told of each read.
    pub(crate) counters: Arc<Counters>,
}

impl ReadThread {
    /// Reads on a thread of its own, at most a high mark ahead: a file or pipe
    /// blocks its reader whatever one does.
    ///
    /// The thread ends when there is nothing more to read or the receiver is
    /// gone. One that is held by an input which never comes ends with the
    /// process.
    ///
    /// # Errors
    ///
    /// If the system gives no thread.
    pub(crate) fn start(self, input: Input) -> io::Result<Receiver<Chunk>> {
        let clock = Arc::clone(&self.clock);
        let (sender, receiver) = channel_with_clock(self.bound, Overflow::Wait, clock);
        let end = SenderGuard(Some(sender));
        thread::Builder::new()
            .name("read".to_owned())
            .spawn(move || {
                let result = self.read(input, &end);
                end.tell(result);
            })?;
        Ok(receiver)
    }

    fn read(&self, input: Input, end: &SenderGuard) -> io::Result<()> {
        let Some(sender) = &end.0 else {
            return Ok(());
        };
        let mut reader = input.open()?;
        let mut is_wanted = self.in_blocks;
        // There has to be room first, so that nothing is in hand meanwhile.
        while block_on(sender.ready()).is_ok() {
            let mut chunk = self.buffers.take();
            let is_last = self.fill(&mut reader, &mut chunk)?;
            self.counters.add_read(chunk.len());
            is_wanted |= !chunk.is_empty();
            if is_wanted && sender.force_send(chunk).is_err() || is_last {
                break;
            }
            is_wanted = false;
        }
        let stalled = sender.stats().stalled;
        self.counters.set_stalled(stalled.unwrap_or_default());
        Ok(())
    }

    /// Fills a chunk, and says whether that was the end.
    fn fill(&self, reader: &mut Blocking, chunk: &mut Chunk) -> io::Result<bool> {
        loop {
            match reader.read(chunk.room()) {
                Ok(0) => return Ok(true),
                Ok(len) => chunk.advance(len),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            if !self.in_blocks || chunk.room().is_empty() {
                return Ok(false);
            }
        }
    }
}

/// A thread that panics must not pass off a part as the whole, as a sender
/// that is merely dropped would.
struct SenderGuard(Option<Sender<Chunk>>);

impl SenderGuard {
    fn tell(mut self, result: io::Result<()>) {
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
