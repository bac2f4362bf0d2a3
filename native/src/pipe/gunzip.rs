//! Reading gzip files, of any number of members.

use super::buffers::{Buffers, Chunk};
use flate2::{Decompress, DecompressError, FlushDecompress, Status};
use highwater::stream::Stage;
use std::sync::Arc;

/// A stage that decompresses. What it puts out is in chunks of one size, so
/// that a few bytes which stand for gigabytes take no memory.
#[derive(Debug)]
pub(crate) struct Gunzip {
    inflate: Decompress,
    outputs: Arc<Buffers>,
    /// The bytes in work, and how many of them are done.
    input: Option<(Chunk, usize)>,
    position: Position,
    /// Members that were complete.
    members: u64,
    /// Why it cannot go on, told when what came before is handed on.
    failure: Option<GunzipError>,
}

/// The first byte of every member.
const MAGIC: u8 = 0x1f;

/// Where it is in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Before a member: there may be none any more.
    Between,
    /// Within a member.
    Inside,
    /// In the zeros that tapes and block devices are filled up with.
    Padding,
}

/// Why it is no gzip file, or not a whole one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum GunzipError {
    /// It does not begin like one.
    #[error("it is not in gzip format")]
    NotGzip,
    /// There is nothing at all.
    #[error("it is empty, and a gzip file is not")]
    Empty,
    /// What is in it cannot be, or does not fit its checksum.
    #[error("the data is corrupt: {0}")]
    Corrupt(String),
    /// It ends too early.
    #[error("it is truncated: it ends before the compressed data does")]
    Truncated,
    /// There is something else behind it.
    #[error("it has other data behind its end")]
    Garbage,
}

impl Gunzip {
    /// `outputs` is where the memory for what comes out is from.
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

    /// Decompresses from `rest` into a chunk. Returns how many bytes it took, and
    /// the chunk unless that is empty.
    fn inflate(&mut self, rest: &[u8]) -> (usize, Option<Chunk>) {
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let mut output = self.outputs.take();
        let result = self
            .inflate
            .decompress(rest, output.room(), FlushDecompress::None);
        let count = |now: u64, before: u64| usize::try_from(now - before).unwrap_or(usize::MAX);
        let taken = count(self.inflate.total_in(), before_in);
        // Also what came before an error, so that it does not depend on how the
        // input was cut into chunks.
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
        (taken, (!output.is_empty()).then_some(output))
    }

    /// Returns what bytes are that do not begin a member.
    fn no_member(&self) -> GunzipError {
        match self.members {
            0 => GunzipError::NotGzip,
            _ => GunzipError::Garbage,
        }
    }

    fn explain(&self, error: &DecompressError) -> GunzipError {
        let message = error.message().unwrap_or("it cannot be decompressed");
        match message {
            "incorrect header check" => self.no_member(),
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
                // What it has taken may still be good for more output: it is
                // asked until there is none.
                (Position::Inside, _) => {
                    let is_drain = rest.is_empty();
                    let (taken, output) = self.inflate(rest);
                    if output.is_some() || self.failure.is_some() || !is_drain {
                        self.input = Some((chunk, start + taken));
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
                        _ => return Err(self.no_member()),
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
