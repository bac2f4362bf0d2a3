//! Reusable buffers for the bytes in flight.

use highwater::stream::Weigh;
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

/// A pool of buffers of one size. Reuse avoids page faults, which would take as long as
/// filling a buffer.
#[derive(Debug)]
pub(crate) struct BufferPool {
    size: usize,
    free: Mutex<Vec<Box<[u8]>>>,
    in_flight: AtomicUsize,
    peak: AtomicUsize,
}

/// Bytes in a buffer that returns to its pool on drop.
///
/// Its weight is the size of the buffer, even if the buffer is only partly filled. An
/// input that arrives in small pieces therefore does not use more memory.
#[derive(Debug)]
pub(crate) struct Chunk {
    buffer: Box<[u8]>,
    len: usize,
    pool: Arc<BufferPool>,
}

impl BufferPool {
    /// Creates a pool of buffers of `size` bytes, allocated on demand.
    pub(crate) fn new(size: usize) -> Arc<Self> {
        Arc::new(BufferPool {
            size,
            free: Mutex::default(),
            in_flight: AtomicUsize::new(0),
            peak: AtomicUsize::new(0),
        })
    }

    /// Takes an empty chunk. The bounds of channels and windows limit the number of
    /// chunks.
    pub(crate) fn take(self: &Arc<Self>) -> Chunk {
        let free = self.lock().pop();
        let in_flight = self.in_flight.fetch_add(self.size, Ordering::Relaxed) + self.size;
        self.peak.fetch_max(in_flight, Ordering::Relaxed);
        Chunk {
            buffer: free.unwrap_or_else(|| vec![0; self.size].into()),
            len: 0,
            pool: Arc::clone(self),
        }
    }

    /// Returns the capacity of a chunk, in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Returns the peak number of bytes in flight.
    pub(crate) fn peak(&self) -> usize {
        self.peak.load(Ordering::Relaxed)
    }

    fn lock(&self) -> impl DerefMut<Target = Vec<Box<[u8]>>> + '_ {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Chunk {
    /// Returns the unfilled part of the buffer.
    pub(crate) fn unfilled(&mut self) -> &mut [u8] {
        &mut self.buffer[self.len..]
    }

    /// Marks `bytes` more bytes as filled.
    pub(crate) fn advance(&mut self, bytes: usize) {
        debug_assert!(bytes <= self.buffer.len() - self.len);
        self.len += bytes;
    }

    /// Appends bytes.
    ///
    /// # Panics
    ///
    /// If they do not fit.
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.unfilled()[..bytes.len()].copy_from_slice(bytes);
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
    fn buffers_are_reused_and_the_peak_is_tracked() {
        let buffers = BufferPool::new(8);
        let mut first = buffers.take();
        first.unfilled()[..3].copy_from_slice(b"one");
        first.advance(3);
        let second = buffers.take();
        assert_eq!((&*first, first.weight()), (&b"one"[..], 8));
        assert_eq!(buffers.peak(), 16);
        drop((first, second));
        let reused = [buffers.take(), buffers.take()];
        assert!(reused.iter().all(|chunk| chunk.is_empty()));
        assert_eq!(buffers.peak(), 16);
        assert_eq!(buffers.lock().len(), 0, "a third buffer was allocated");
    }
}
