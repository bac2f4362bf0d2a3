//! Parsing and compression, shared by both kinds of stage connection.

use super::{
    file,
    names::{COMPRESS, PARSE},
};
use crate::{
    platform::{Seed, Timer},
    scenario::{Context, Values, load},
    trace::{NameId, RecordKind, Recorder},
    workload::Times,
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
            failing_line: PARSE
                .eq_ignore_ascii_case(params.choice("fail"))
                .then_some(middle),
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

/// The random stream of batch 0. Each batch has its own stream, since several are
/// compressed at once.
const FIRST_BATCH_STREAM: u64 = 100;

/// Simulates compression by waiting.
#[derive(Clone)]
pub(super) struct Compressor {
    id: NameId,
    trace: Recorder,
    timer: Arc<dyn Timer>,
    params: Values,
    seed: Seed,
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
            seed: context.seed,
            failing_batch: fails.then_some(middle_batch(context)),
        }
    }

    pub(super) async fn compress(self, batch: LineBatch) -> io::Result<LineBatch> {
        let span = self.trace.begin(RecordKind::Handle, self.id, batch.0);
        let random = self.seed.stream(FIRST_BATCH_STREAM + batch.0);
        let mut times = Times::new(load::time_model(&self.params), random);
        let took = times.next_time(self.params.millis("compress"));
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
