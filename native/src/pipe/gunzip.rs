//! Decompression of gzip files with one or more members.

use super::buffers::{BufferPool, Chunk};
use flate2::{Decompress, DecompressError, FlushDecompress, Status};
use highwater::stream::Stage;
use std::sync::Arc;

/// A decompression stage. Its output chunks have a fixed size, so an input that expands
/// to gigabytes does not use more memory.
#[derive(Debug)]
pub(crate) struct Gunzip {
    decompressor: Decompress,
    outputs: Arc<BufferPool>,
    /// The current chunk, and the number of bytes consumed from it.
    input: Option<(Chunk, usize)>,
    position: Position,
    /// The number of complete members.
    member_count: u64,
    /// An error to return after the output that precedes it.
    pending_error: Option<GunzipError>,
}

/// The first byte of every member.
const MAGIC: u8 = 0x1f;

/// The position in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Before a member, or at the end of the file.
    BetweenMembers,
    /// Inside a member.
    InsideMember,
    /// In trailing zeros, such as the padding of tapes and block devices.
    Padding,
}

/// The reason an input is not a complete gzip file.
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
    #[error("it is truncated: it ends in the middle of a gzip member")]
    Truncated,
    /// Data other than zeros follows the last member.
    #[error("it has trailing data that is not gzip")]
    TrailingData,
}

impl Gunzip {
    /// Creates the stage. Output chunks come from `outputs`.
    pub(crate) fn new(outputs: Arc<BufferPool>) -> Self {
        Gunzip {
            decompressor: Decompress::new_gzip(15),
            outputs,
            input: None,
            position: Position::BetweenMembers,
            member_count: 0,
            pending_error: None,
        }
    }

    /// Decompresses `bytes` into a chunk. Returns the number of bytes consumed, and the
    /// chunk unless it is empty.
    fn decompress(&mut self, bytes: &[u8]) -> (usize, Option<Chunk>) {
        let (before_in, before_out) = (self.decompressor.total_in(), self.decompressor.total_out());
        let mut output = self.outputs.take();
        let result = self
            .decompressor
            .decompress(bytes, output.unfilled(), FlushDecompress::None);
        let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let consumed = count(self.decompressor.total_in(), before_in);
        // The output before an error is kept, so that the result does not depend on the
        // chunk boundaries of the input.
        output.advance(count(self.decompressor.total_out(), before_out));
        match result {
            Ok(Status::StreamEnd) => {
                self.decompressor.reset(true);
                self.member_count += 1;
                self.position = Position::BetweenMembers;
            }
            Ok(Status::Ok | Status::BufError) => {}
            Err(error) => self.pending_error = Some(self.classify_error(&error)),
        }
        (consumed, (!output.is_empty()).then_some(output))
    }

    /// Returns the error for bytes that do not start a member.
    fn non_member_error(&self) -> GunzipError {
        match self.member_count {
            0 => GunzipError::NotGzip,
            _ => GunzipError::TrailingData,
        }
    }

    fn classify_error(&self, error: &DecompressError) -> GunzipError {
        let message = error.message().unwrap_or("it cannot be decompressed");
        match message {
            "incorrect header check" => self.non_member_error(),
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
            if let Some(pending_error) = self.pending_error.take() {
                return Err(pending_error);
            }
            let rest = &chunk[start..];
            match (self.position, rest.first()) {
                // The decompressor may still have output after all input is consumed.
                (Position::InsideMember, _) => {
                    let is_input_consumed = rest.is_empty();
                    let (consumed, output) = self.decompress(rest);
                    if output.is_some() || self.pending_error.is_some() || !is_input_consumed {
                        self.input = Some((chunk, start + consumed));
                    }
                    if output.is_some() {
                        return Ok(output);
                    }
                }
                (_, None) => {}
                (Position::BetweenMembers, Some(first)) => {
                    self.position = match *first {
                        MAGIC => Position::InsideMember,
                        0 if self.member_count > 0 => Position::Padding,
                        _ => return Err(self.non_member_error()),
                    };
                    self.input = Some((chunk, start));
                }
                (Position::Padding, Some(_)) => {
                    if rest.iter().any(|byte| *byte != 0) {
                        return Err(GunzipError::TrailingData);
                    }
                }
            }
        }
        Ok(None)
    }

    fn finish(&mut self) -> Result<(), GunzipError> {
        match self.position {
            Position::InsideMember => Err(GunzipError::Truncated),
            Position::BetweenMembers if self.member_count == 0 => Err(GunzipError::Empty),
            Position::BetweenMembers | Position::Padding => Ok(()),
        }
    }
}
