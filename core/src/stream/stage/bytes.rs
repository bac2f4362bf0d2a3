//! The stages that split bytes into chunks and lines.

use super::Stage;
use crate::stream::InvalidBound;
use std::convert::Infallible;

/// A [`Stage`] that splits bytes into chunks of a fixed size. The last chunk may be
/// shorter.
///
/// ```
/// use highwater::stream::{Chunks, Stage};
///
/// let mut chunks = Chunks::new(3)?;
/// chunks.push("abcd")?;
/// assert_eq!(chunks.pull()?, Some(b"abc".to_vec()));
/// assert_eq!(chunks.pull()?, None);
/// Stage::<&str>::finish(&mut chunks)?;
/// assert_eq!(chunks.pull()?, Some(b"d".to_vec()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Chunks<T> {
    size: usize,
    input: Option<(T, usize)>,
    chunk: Vec<u8>,
    is_finished: bool,
}

/// A [`Stage`] that splits bytes into lines, without their `\n` or `\r\n`.
///
/// The last line needs no line ending. A line that exceeds the maximum length fails
/// with [`LineTooLong`], so that memory use does not depend on the data.
///
/// ```
/// use highwater::stream::{LineTooLong, Lines, Stage};
///
/// let mut lines = Lines::new(5)?;
/// lines.push("first\r\nsecond")?;
/// assert_eq!(lines.pull()?, Some(b"first".to_vec()));
/// assert_eq!(lines.pull(), Ok(None));
/// Stage::<&str>::finish(&mut lines)?;
/// assert_eq!(lines.pull(), Err(LineTooLong { max_len: 5 }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lines<T> {
    max_len: usize,
    input: Option<(T, usize)>,
    line: Vec<u8>,
    is_finished: bool,
}

/// The error of [`Lines`] for a line that exceeds the maximum length.
///
/// ```
/// use highwater::stream::{LineTooLong, Lines, Stage};
///
/// let mut lines = Lines::new(3)?;
/// lines.push("long\n")?;
/// let error = lines.pull().unwrap_err();
/// assert_eq!(error, LineTooLong { max_len: 3 });
/// assert_eq!(error.to_string(), "a line is longer than 3 bytes");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a line is longer than {max_len} bytes")]
pub struct LineTooLong {
    /// The maximum length in bytes.
    pub max_len: usize,
}

/// The maximum allocation for a chunk before its bytes arrive.
const MAX_PREALLOCATION: usize = 1 << 20;

impl<T> Chunks<T> {
    /// Creates a stage that yields chunks of `size` bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`] if `size` is 0.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, io::Cursor};
    /// use highwater::stream::{Chunks, Pipeline};
    ///
    /// let chunks = Pipeline::from_reader("input", Cursor::new("01234567"), 5)
    ///     .stage("threes", Chunks::new(3)?)
    ///     .into_stream();
    /// let chunks: Vec<_> = block_on(chunks.try_collect())?;
    /// assert_eq!(chunks, [&b"012"[..], b"345", b"67"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(size: usize) -> Result<Self, InvalidBound> {
        if size == 0 {
            return Err(InvalidBound::Zero);
        }
        Ok(Self::with_size(size))
    }

    /// `size` must not be 0.
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
                self.chunk.reserve_exact(self.size.min(MAX_PREALLOCATION));
            }
            let rest = &input.as_ref()[*start..];
            let taken_len = rest.len().min(self.size - self.chunk.len());
            self.chunk.extend_from_slice(&rest[..taken_len]);
            *start += taken_len;
            if taken_len == rest.len() {
                self.input = None;
            }
        }
        let is_complete = self.chunk.len() == self.size || self.is_finished;
        if !is_complete || self.chunk.is_empty() {
            return Ok(None);
        }
        Ok(Some(std::mem::take(&mut self.chunk)))
    }

    fn finish(&mut self) -> Result<(), Infallible> {
        self.is_finished = true;
        Ok(())
    }

    fn held_weight(&self) -> usize {
        self.chunk.len()
    }
}

impl<T> Lines<T> {
    /// Creates a stage that yields lines of at most `max_len` bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidBound::Zero`] if `max_len` is 0.
    ///
    /// ```
    /// use futures::{TryStreamExt, executor::block_on, io::Cursor};
    /// use highwater::stream::{Lines, Pipeline};
    ///
    /// let lines = Pipeline::from_reader("input", Cursor::new("one\ntwo"), 5)
    ///     .stage("lines", Lines::new(80)?)
    ///     .into_stream();
    /// let lines: Vec<_> = block_on(lines.try_collect())?;
    /// assert_eq!(lines, [b"one", b"two"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn new(max_len: usize) -> Result<Self, InvalidBound> {
        if max_len == 0 {
            return Err(InvalidBound::Zero);
        }
        Ok(Self::with_max_len(max_len))
    }

    /// `max_len` must not be 0.
    pub(in crate::stream) fn with_max_len(max_len: usize) -> Self {
        Lines {
            max_len,
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
        if line.len() > self.max_len {
            let max_len = self.max_len;
            return Err(LineTooLong { max_len });
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
            let line_part = &rest[..end.unwrap_or(rest.len())];
            // One extra byte for a carriage return, which is not part of the line.
            let max_part_len = self.max_len.saturating_add(1);
            if line_part.len() > max_part_len.saturating_sub(self.line.len()) {
                let max_len = self.max_len;
                return Err(LineTooLong { max_len });
            }
            self.line.extend_from_slice(line_part);
            *start += line_part.len() + 1;
            if end.is_some() {
                return self.take_line().map(Some);
            }
            self.input = None;
            return Ok(None);
        }
        if self.is_finished && !self.line.is_empty() {
            // Without a newline, a trailing carriage return is part of the line.
            let line = std::mem::take(&mut self.line);
            if line.len() > self.max_len {
                let max_len = self.max_len;
                return Err(LineTooLong { max_len });
            }
            return Ok(Some(line));
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<(), LineTooLong> {
        self.is_finished = true;
        Ok(())
    }

    fn held_weight(&self) -> usize {
        self.line.len()
    }
}
