//! The memory that bytes travel in.

use highwater::stream::Weigh;
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// Buffers of one size, used again and again: a fresh one would have to be
/// paged in first, which takes as long as to fill it.
#[derive(Debug)]
pub(crate) struct Buffers {
    size: usize,
    spare: Mutex<Vec<Box<[u8]>>>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
}

/// Bytes on their way, in a buffer that goes back when it is dropped.
///
/// It weighs what its buffer takes, however few bytes are in it: a source that
/// gives single bytes must not get more memory than one that gives many.
#[derive(Debug)]
pub(crate) struct Chunk {
    buffer: Box<[u8]>,
    len: usize,
    pool: Arc<Buffers>,
}

impl Buffers {
    /// Buffers of `size` bytes each. None is made before it is needed.
    pub(crate) fn new(size: usize) -> Arc<Self> {
        Arc::new(Buffers {
            size,
            spare: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        })
    }

    /// An empty chunk. How many there are at once is for the bounds of
    /// channels and windows to say, not for this.
    pub(crate) fn take(self: &Arc<Self>) -> Chunk {
        let spare = self.lock().pop();
        let in_flight = self.in_flight.fetch_add(self.size, Ordering::Relaxed) + self.size;
        self.peak.fetch_max(in_flight, Ordering::Relaxed);
        Chunk {
            buffer: spare.unwrap_or_else(|| vec![0; self.size].into()),
            len: 0,
            pool: Arc::clone(self),
        }
    }

    /// How many bytes a chunk can hold.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// The most bytes of memory that were in flight at once.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    fn lock(&self) -> impl DerefMut<Target = Vec<Box<[u8]>>> + '_ {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chunk {
    /// What is not filled yet, to be filled from its start.
    pub(crate) fn room(&mut self) -> &mut [u8] {
        &mut self.buffer[self.len..]
    }

    /// As many more bytes are filled.
    pub(crate) fn advance(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.buffer.len() - self.len);
        self.len += bytes;
    }

    /// Appends bytes, for which there has to be room.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.room()[..bytes.len()].copy_from_slice(bytes);
        self.advance(bytes.len());
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.buffer[..self.len]
    }
}

impl DerefMut for Chunk {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut self.buffer[..self.len]
    }
}

impl Weigh for Chunk {
    fn weight(&self) -> usize {
        self.buffer.len()
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        self.pool
            .in_flight
            .fetch_sub(buffer.len(), Ordering::Relaxed);
        self.pool.lock().push(buffer);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn buffers_are_used_again_and_their_peak_is_counted() {
        let buffers = Buffers::new(8);
        let mut first = buffers.take();
        first.room()[..3].copy_from_slice(b"one");
        first.advance(3);
        let second = buffers.take();
        assert_eq!((&*first, first.weight()), (&b"one"[..], 8));
        assert_eq!(buffers.peak(), 16);
        drop((first, second));
        let again = [buffers.take(), buffers.take()];
        assert!(again.iter().all(|chunk| chunk.is_empty()));
        assert_eq!(buffers.peak(), 16);
        assert_eq!(buffers.lock().len(), 0, "no other was made");
    }
}
