//! Decompression of gzip files with any number of members.

use super::buffers::{Buffers, Chunk};
use flate2::{Decompress, DecompressError, FlushDecompress, Status};
use highwater::stream::Stage;
use std::sync::Arc;

/// A stage that decompresses. Its output chunks have a fixed size, so that a small input
/// that expands to gigabytes takes no more memory.
#[derive(Debug)]
pub(crate) struct Gunzip {
    inflate: Decompress,
    outputs: Arc<Buffers>,
    /// The current chunk, and how many of its bytes are consumed.
    input: Option<(Chunk, usize)>,
    position: Position,
    /// The number of complete members.
    members: u64,
    /// An error that is returned once the output before it is taken.
    failure: Option<GunzipError>,
}

/// The first byte of every member.
const MAGIC: u8 = 0x1f;

/// The position in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Before a member or the end of the file.
    Between,
    /// Inside a member.
    Inside,
    /// In trailing zeros, the padding of tapes and block devices.
    Padding,
}

/// The reason why an input is not a complete gzip file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GunzipError {
    /// The input does not start with a gzip header.
    #[error("it is not in gzip format")]
    NotGzip,
    /// The input is empty.
    #[error("it is empty, expected a gzip file")]
    Empty,
    /// The data is invalid or does not match its checksum.
    #[error("the data is corrupt: {0}")]
    Corrupt(String),
    /// The input ends inside a member.
    #[error("it is truncated: it ends before the compressed data does")]
    Truncated,
    /// Data other than zeros follows the last member.
    #[error("it has trailing data that is not gzip")]
    Garbage,
}

impl Gunzip {
    /// Creates the stage. Output chunks come from `outputs`.
    pub(crate) fn new(outputs: Arc<Buffers>) -> Self {
        Gunzip {
            inflate: Decompress::new_gzip(15),
            outputs,
            input: None,
            position: Position::Between,
            members: 0,
            failure: None,
        }
    }

    /// Decompresses from `rest` into a chunk. Returns the number of bytes consumed, and the
    /// chunk unless it is empty.
    fn inflate(&mut self, rest: &[u8]) -> (usize, Option<Chunk>) {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let mut output = self.outputs.take();
        let result = self
            .inflate
            .decompress(rest, output.room(), FlushDecompress::None);
        let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let consumed = count(self.inflate.total_in(), before_in);
        // The output before an error is kept, so that the result does not depend on how
        // the input was split into chunks.
        output.advance(count(self.inflate.total_out(), before_out));
        match result {
            Ok(Status::StreamEnd) => {
                self.inflate.reset(true);
                self.members += 1;
                self.position = Position::Between;
            }
            Ok(Status::Ok | Status::BufError) => {}
            Err(error) => self.failure = Some(self.explain(&error)),
        }
        (consumed, (!output.is_empty()).then_some(output))
    }

    /// Returns the error for bytes that do not start a member.
    fn not_a_member(&self) -> GunzipError {
        match self.members {
            0 => GunzipError::NotGzip,
            _ => GunzipError::Garbage,
        }
    }

    fn explain(&self, error: &DecompressError) -> GunzipError {
        let message = error.message().unwrap_or("it cannot be decompressed");
        match message {
            "incorrect header check" => self.not_a_member(),
            _ => GunzipError::Corrupt(message.to_owned()),
        }
    }
}

impl Stage<Chunk> for Gunzip {
    type Output = Chunk;
    type Error = GunzipError;

    fn push(&mut self, chunk: Chunk) -> Result<(), GunzipError> {
        self.input = Some((chunk, 0));
        Ok(())
    }

    fn pull(&mut self) -> Result<Option<Chunk>, GunzipError> {
        while let Some((chunk, start)) = self.input.take() {
            if let Some(failure) = self.failure.take() {
                return Err(failure);
            }
            let rest = &chunk[start..];
            match (self.position, rest.first()) {
                // Consumed input may still produce output: call until there is none.
                (Position::Inside, _) => {
                    let is_drain = rest.is_empty();
                    let (consumed, output) = self.inflate(rest);
                    if output.is_some() || self.failure.is_some() || !is_drain {
                        self.input = Some((chunk, start + consumed));
                    }
                    if output.is_some() {
                        return Ok(output);
                    }
                }
                (_, None) => {}
                (Position::Between, Some(first)) => {
                    self.position = match *first {
                        MAGIC => Position::Inside,
                        0 if self.members > 0 => Position::Padding,
                        _ => return Err(self.not_a_member()),
                    };
                    self.input = Some((chunk, start));
                }
                (Position::Padding, Some(_)) => {
                    if rest.iter().any(|byte| *byte != 0) {
                        return Err(GunzipError::Garbage);
                    }
                }
            }
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<(), GunzipError> {
        match self.position {
            Position::Inside => Err(GunzipError::Truncated),
            Position::Between if self.members == 0 => Err(GunzipError::Empty),
            Position::Between | Position::Padding => Ok(()),
        }
    }
}
