//! Parsing and compression, shared by both kinds of stage connection.

use super::{
    file,
    names::{COMPRESS, PARSE},
};
use crate::{
    platform::{Random, Timer},
    scenario::{Context, Values},
    trace::{NameId, RecordKind, Recorder},
};
use std::{io, sync::Arc};

/// Number of lines in a batch.
pub(super) const BATCH_SIZE: usize = 20;

/// A numbered batch of line numbers.
pub(super) type LineBatch = (u64, Vec<u64>);

/// Parses lines, and rejects one if `fail` says so.
pub(super) struct Parser {
    failing_line: Option<u64>,
}

impl Parser {
    pub(super) fn new(context: &Context) -> Self {
        let params = &context.params;
        let middle = params.integer("lines").div_ceil(2);
        Parser {
            failing_line: (params.choice("fail") == PARSE.to_lowercase()).then_some(middle),
        }
    }

    /// Returns the number of the line.
    pub(super) fn parse(&self, line: &[u8]) -> io::Result<u64> {
        let number = file::number_of(line).ok_or(io::ErrorKind::InvalidData)?;
        if self.failing_line == Some(number) {
            return Err(io::Error::other(format!("line {number} is malformed")));
        }
        Ok(number)
    }
}

/// Simulates compression by waiting.
#[derive(Clone)]
pub(super) struct Compressor {
    id: NameId,
    trace: Recorder,
    timer: Arc<dyn Timer>,
    params: Values,
    failing_batch: Option<u64>,
}

impl Compressor {
    pub(super) fn new(context: &Context) -> Self {
        let fails = context.params.choice("fail") == "compress";
        Compressor {
            id: context.trace.name(COMPRESS),
            trace: context.trace.clone(),
            timer: context.platform.timer(),
            params: context.params.clone(),
            failing_batch: fails.then_some(middle_batch(context)),
        }
    }

    /// Compresses a batch; `random` is the batch's own random stream.
    pub(super) async fn compress(
        self,
        batch: LineBatch,
        mut random: Random,
    ) -> io::Result<LineBatch> {
        let span = self.trace.begin(RecordKind::Handle, self.id, batch.0);
        let took = random.jitter(self.params.millis("compress"), 20);
        self.timer.sleep(took).await;
        if self.failing_batch == Some(batch.0) {
            span.fail("out of memory");
            return Err(io::ErrorKind::OutOfMemory.into());
        }
        span.succeed();
        Ok(batch)
    }
}

/// Returns the number of the middle batch.
pub(super) fn middle_batch(context: &Context) -> u64 {
    let batches = context.params.integer("lines").div_ceil(BATCH_SIZE as u64);
    batches.div_ceil(2)
}
