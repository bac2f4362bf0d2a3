//! A trace summary for the checks.

use super::{
    names::{COMPRESS, READ, TRANSFER, WRITE},
    steps::BATCH_SIZE,
};
use crate::trace::{NameId, Phase, RecordKind, Trace};

/// A summary of a trace, collected in one pass.
#[derive(Default)]
pub(super) struct PipelineSummary {
    /// Numbers of the batches written, in order.
    pub(super) written: Vec<u64>,
    /// Number of batches in the file.
    pub(super) batches: u64,
    /// Maximum number of batches compressed at once.
    pub(super) max_concurrent: u64,
    /// Trace index at which the transfer ended.
    pub(super) end: Option<usize>,
    /// The error of the transfer, if it failed.
    pub(super) cause: Option<String>,
    /// Stages that opened a file, and the trace index at which each closed it.
    pub(super) files: Vec<(NameId, Option<usize>)>,
    /// Number of chunks read after the transfer ended.
    pub(super) read_after_end: usize,
    pub(super) commit_count: usize,
    pub(super) discard_count: usize,
    /// The high-water mark of the buffer, in bytes.
    pub(super) high_water_mark: u64,
    /// The peak level of the buffer, in bytes.
    pub(super) peak: u64,
    /// The size of a chunk, in bytes.
    pub(super) chunk: u64,
}

impl PipelineSummary {
    pub(super) fn of(trace: &Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_u64);
        let mut summary = PipelineSummary {
            batches: number("lines").div_ceil(BATCH_SIZE as u64),
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
                    summary.max_concurrent = summary.max_concurrent.max(compressing);
                    summary.read_after_end += usize::from(by(read) && summary.end.is_some());
                }
                (RecordKind::Handle, Phase::End) => {
                    compressing -= u64::from(by(compress)).min(compressing);
                    if by(write) && event.failure.is_none() {
                        summary.written.push(event.subject);
                    }
                }
                (RecordKind::Open, Phase::Begin) => summary.files.push((event.source, None)),
                (RecordKind::Open, _) => {
                    let mut files = summary.files.iter_mut();
                    if let Some((_, closed)) = files.find(|(id, _)| by(Some(*id))) {
                        *closed = Some(index);
                    }
                }
                (RecordKind::Request, Phase::End) if by(transfer) => {
                    summary.end = Some(index);
                    summary.cause = event.failure.map(|cause| trace.name(cause).to_owned());
                }
                (RecordKind::Commit, _) => summary.commit_count += 1,
                (RecordKind::Discard, _) => summary.discard_count += 1,
                (RecordKind::Mark, _) => summary.high_water_mark = event.subject,
                (RecordKind::Level, _) => summary.peak = summary.peak.max(event.subject),
                _ => {}
            }
        }
        summary
    }

    /// Returns the number of files still open when the transfer ended.
    pub(super) fn left_open(&self) -> usize {
        let end = self.end.unwrap_or(0);
        let mut files = self
            .files
            .iter()
            .filter(|(_, closed)| closed.is_none_or(|index| index > end));
        files.by_ref().count()
    }
}
