//! Bytes, cut anew.

use super::Stage;
use crate::stream::InvalidBound;
use std::convert::Infallible;

/// A [`Stage`] that cuts bytes into chunks of one size; the last may be
/// shorter.
#[derive(Debug)]
pub struct Chunks<T> {
    size: usize,
    input: Option<(T, usize)>,
    chunk: Vec<u8>,
    is_finished: bool,
}

/// A [`Stage`] that cuts bytes into lines, without their `\n` or `\r\n`.
///
/// The last line need not end with one. A line that does not end within the
/// longest length allowed fails, as it would otherwise be kept whole, whatever
/// its length.
#[derive(Debug)]
pub struct Lines<T> {
    longest: usize,
    input: Option<(T, usize)>,
    line: Vec<u8>,
    is_finished: bool,
}

/// A line was longer than allowed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {longest} bytes")]
pub struct LineTooLong {
    /// The longest length allowed, in bytes.
    pub longest: usize,
}

// No more than this is set aside for a chunk before its bytes are there.
const SET_ASIDE: usize = 1 << 20;

impl<T> Chunks<T> {
    /// Chunks of `size` bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`].
    pub fn new(size: usize) -> Result<Self, InvalidBound> {
        if size == 0 {
            return Err(InvalidBound::Zero);
        }
        Ok(Self::with_size(size))
    }

    /// `size` is not 0.
    pub(in crate::stream) fn with_size(size: usize) -> Self {
        Chunks {
            size,
            input: None,
            chunk: Vec::new(),
            is_finished: false,
        }
    }
}

impl<T: AsRef<[u8]>> Stage<T> for Chunks<T> {
    type Output = Vec<u8>;
    type Error = Infallible;

    fn push(&mut self, item: T) -> Result<(), Infallible> {
        self.input = Some((item, 0));
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Vec<u8>>, Infallible> {
        if let Some((input, start)) = &mut self.input {
            if self.chunk.capacity() == 0 {
                self.chunk.reserve_exact(self.size.min(SET_ASIDE));
            }
            let rest = &input.as_ref()[*start..];
            let more = rest.len().min(self.size - self.chunk.len());
            self.chunk.extend_from_slice(&rest[..more]);
            *start += more;
            if more == rest.len() {
                self.input = None;
            }
        }
        let is_due = self.chunk.len() == self.size || self.is_finished;
        if !is_due || self.chunk.is_empty() {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.chunk)))
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        self.is_finished = true;
        Ok(())
    }

    fn held(&self) -> usize {
        self.chunk.len()
    }
}

impl<T> Lines<T> {
    /// Lines of at most `longest` bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`].
    pub fn new(longest: usize) -> Result<Self, InvalidBound> {
        if longest == 0 {
            return Err(InvalidBound::Zero);
        }
        Ok(Self::with_longest(longest))
    }

    /// `longest` is not 0.
    pub(in crate::stream) fn with_longest(longest: usize) -> Self {
        Lines {
            longest,
            input: None,
            line: Vec::new(),
            is_finished: false,
        }
    }

    fn take_line(&mut self) -> Result<Vec<u8>, LineTooLong> {
        let mut line = std::mem::take(&mut self.line);
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        if line.len() > self.longest {
            let longest = self.longest;
            return Err(LineTooLong { longest });
        }
        Ok(line)
    }
}

impl<T: AsRef<[u8]>> Stage<T> for Lines<T> {
    type Output = Vec<u8>;
    type Error = LineTooLong;

    fn push(&mut self, item: T) -> Result<(), LineTooLong> {
        self.input = Some((item, 0));
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Vec<u8>>, LineTooLong> {
        if let Some((input, start)) = &mut self.input {
            let rest = &input.as_ref()[*start..];
            let end = memchr::memchr(b'\n', rest);
            let part = &rest[..end.unwrap_or(rest.len())];
            // One more for the carriage return that is not part of the line.
            let most = self.longest.saturating_add(1);
            if part.len() > most.saturating_sub(self.line.len()) {
                let longest = self.longest;
                return Err(LineTooLong { longest });
            }
            self.line.extend_from_slice(part);
            *start += part.len() + 1;
            if end.is_some() {
                return self.take_line().map(Some);
            }
            self.input = None;
            return Ok(None);
        }
        if self.is_finished && !self.line.is_empty() {
            // Without a newline, what looks like half of one is the line's.
            let line = std::mem::take(&mut self.line);
            if line.len() > self.longest {
                let longest = self.longest;
                return Err(LineTooLong { longest });
            }
            return Ok(Some(line));
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<(), LineTooLong> {
        self.is_finished = true;
        Ok(())
    }

    fn held(&self) -> usize {
        self.line.len()
    }
}
