//! The file that is read: lines of text, made up as they are asked for.

use super::READ;
use crate::{
    platform::{Random, Timer},
    scenario::{Context, Values},
    trace::{NameId, RecordKind, Recorder, Span},
};
use futures::{Stream, stream};
use std::{io, sync::Arc};

/// A file, open until it is dropped.
pub(super) struct InputFile {
    id: NameId,
    trace: Recorder,
    timer: Arc<dyn Timer>,
    params: Values,
    draws: Random,
    size: usize,
    lines: u64,
    next_line: u64,
    /// At which chunk it cannot be read.
    bad_chunk: Option<u64>,
    /// What was made up and not yet read.
    rest: Vec<u8>,
    chunks: u64,
    open: Option<Span>,
}

impl InputFile {
    pub(super) fn open(context: &Context) -> Self {
        let params = &context.params;
        let lines = params.integer("lines");
        let trace = context.trace.clone();
        let id = trace.name(READ);
        let size = params.kibibytes("chunk");
        let all_chunks = (lines * LINE.len() as u64).div_ceil(size as u64);
        InputFile {
            id,
            open: Some(trace.begin(RecordKind::Open, id, 0)),
            trace,
            timer: context.platform.timer(),
            params: params.clone(),
            draws: context.seed.stream(1),
            size,
            lines,
            next_line: 1,
            bad_chunk: (params.choice("fail") == "read").then_some(all_chunks.div_ceil(2)),
            rest: Vec::new(),
            chunks: 0,
        }
    }

    /// The next chunk and its number; `None` at the end.
    pub(super) async fn read(&mut self) -> io::Result<Option<Vec<u8>>> {
        while self.rest.len() < self.size && self.next_line <= self.lines {
            self.rest.extend_from_slice(&line(self.next_line));
            self.next_line += 1;
        }
        if self.rest.is_empty() {
            if let Some(open) = self.open.take() {
                open.succeed();
            }
            return Ok(None);
        }
        self.chunks += 1;
        let span = self.trace.begin(RecordKind::Handle, self.id, self.chunks);
        let took = self.draws.jitter(self.params.millis("read"), 20);
        self.timer.sleep(took).await;
        if self.bad_chunk == Some(self.chunks) {
            span.fail("cannot be read");
            return Err(io::Error::other("cannot be read"));
        }
        span.succeed();
        let later = self.rest.split_off(self.rest.len().min(self.size));
        Ok(Some(std::mem::replace(&mut self.rest, later)))
    }

    /// All of it, chunk by chunk.
    pub(super) fn into_stream(self) -> impl Stream<Item = io::Result<Vec<u8>>> {
        stream::unfold(self, |mut file| async {
            let chunk = file.read().await.transpose()?;
            Some((chunk, file))
        })
    }
}

/// What a line looks like; all have this length.
const LINE: &[u8; 42] = b"0000000 GET /users/0000000 HTTP/1.1 200 9\n";

/// A line with its number in it.
fn line(number: u64) -> [u8; 42] {
    let mut line = *LINE;
    let mut rest = number;
    for index in (0..7).rev() {
        let digit = b'0' + u8::try_from(rest % 10).unwrap_or(0);
        (line[index], line[index + 19]) = (digit, digit);
        rest /= 10;
    }
    line
}

/// The number of a line.
pub(super) fn number_of(line: &[u8]) -> Option<u64> {
    let digits = line.split_first_chunk::<7>()?.0;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
