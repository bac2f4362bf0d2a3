//! What the checks ask of a trace.

use super::{BATCH, COMPRESS, READ, TRANSFER, WRITE};
use crate::trace::{NameId, Phase, RecordKind, Trace};

/// Gathered in one pass over the trace.
#[derive(Default)]
pub(super) struct PipelineSummary {
    /// Batches that were written, in order.
    pub(super) written: Vec<u64>,
    /// How many there are.
    pub(super) batches: u64,
    /// How many were compressed at once, at most.
    pub(super) at_once: u64,
    /// Where the transfer ended, and why it failed, if it did.
    pub(super) end: Option<usize>,
    pub(super) cause: Option<String>,
    /// Who opened something, and where that was closed.
    pub(super) open: Vec<(NameId, Option<usize>)>,
    /// Chunks that were read after the transfer had ended.
    pub(super) read_after: usize,
    pub(super) commits: usize,
    pub(super) discards: usize,
    /// In bytes: the mark of the buffer, what it held at most, and a chunk.
    pub(super) mark: u64,
    pub(super) peak: u64,
    pub(super) chunk: u64,
}

impl PipelineSummary {
    pub(super) fn of(trace: &Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_u64);
        let mut summary = PipelineSummary {
            batches: number("lines").div_ceil(BATCH as u64),
            chunk: number("chunk") * 1024,
            ..PipelineSummary::default()
        };
        let [read, compress, write] = [READ, COMPRESS, WRITE].map(|name| trace.id(name));
        let transfer = trace.id(TRANSFER);
        let mut compressing = 0_u64;
        for (index, event) in trace.events.iter().enumerate() {
            let by = |id| Some(event.source) == id;
            match (event.kind, event.phase) {
                (RecordKind::Handle, Phase::Begin) => {
                    compressing += u64::from(by(compress));
                    summary.at_once = summary.at_once.max(compressing);
                    summary.read_after += usize::from(by(read) && summary.end.is_some());
                }
                (RecordKind::Handle, Phase::End) => {
                    compressing -= u64::from(by(compress)).min(compressing);
                    if by(write) && event.failure.is_none() {
                        summary.written.push(event.subject);
                    }
                }
                (RecordKind::Open, Phase::Begin) => summary.open.push((event.source, None)),
                (RecordKind::Open, _) => {
                    let mut open = summary.open.iter_mut();
                    if let Some((_, closed)) = open.find(|(id, _)| by(Some(*id))) {
                        *closed = Some(index);
                    }
                }
                (RecordKind::Request, Phase::End) if by(transfer) => {
                    summary.end = Some(index);
                    summary.cause = event.failure.map(|cause| trace.name(cause).to_owned());
                }
                (RecordKind::Commit, _) => summary.commits += 1,
                (RecordKind::Discard, _) => summary.discards += 1,
                (RecordKind::Mark, _) => summary.mark = event.subject,
                (RecordKind::Level, _) => summary.peak = summary.peak.max(event.subject),
                _ => {}
            }
        }
        summary
    }

    /// How many were still open when the transfer had ended.
    pub(super) fn left_open(&self) -> usize {
        let end = self.end.unwrap_or(0);
        let mut open = self
            .open
            .iter()
            .filter(|(_, closed)| closed.is_none_or(|index| index > end));
        open.by_ref().count()
    }
}
