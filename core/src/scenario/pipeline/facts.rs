//! What the checks ask of a trace.

use super::{BATCH, COMPRESS, READ, TRANSFER, WRITE};
use crate::trace::{Kind, NameId, Phase, Trace};

/// Gathered in one pass over the trace.
#[derive(Default)]
pub(super) struct Facts {
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

impl Facts {
    pub(super) fn of(trace: &Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_u64);
        let mut facts = Facts {
            batches: number("lines").div_ceil(BATCH as u64),
            chunk: number("chunk") * 1024,
            ..Facts::default()
        };
        let [read, compress, write] = [READ, COMPRESS, WRITE].map(|name| trace.id(name));
        let transfer = trace.id(TRANSFER);
        let mut compressing = 0_u64;
        for (place, event) in trace.events.iter().enumerate() {
            let by = |id| Some(event.source) == id;
            match (event.kind, event.phase) {
                (Kind::Handle, Phase::Begin) => {
                    compressing += u64::from(by(compress));
                    facts.at_once = facts.at_once.max(compressing);
                    facts.read_after += usize::from(by(read) && facts.end.is_some());
                }
                (Kind::Handle, Phase::End) => {
                    compressing -= u64::from(by(compress)).min(compressing);
                    if by(write) && event.failure.is_none() {
                        facts.written.push(event.subject);
                    }
                }
                (Kind::Open, Phase::Begin) => facts.open.push((event.source, None)),
                (Kind::Open, _) => {
                    let mut open = facts.open.iter_mut();
                    if let Some((_, closed)) = open.find(|(id, _)| by(Some(*id))) {
                        *closed = Some(place);
                    }
                }
                (Kind::Request, Phase::End) if by(transfer) => {
                    facts.end = Some(place);
                    facts.cause = event.failure.map(|cause| trace.name(cause).to_owned());
                }
                (Kind::Commit, _) => facts.commits += 1,
                (Kind::Discard, _) => facts.discards += 1,
                (Kind::Mark, _) => facts.mark = event.subject,
                (Kind::Level, _) => facts.peak = facts.peak.max(event.subject),
                _ => {}
            }
        }
        facts
    }

    /// How many were still open when the transfer had ended.
    pub(super) fn left_open(&self) -> usize {
        let end = self.end.unwrap_or(0);
        let mut open = self
            .open
            .iter()
            .filter(|(_, closed)| closed.is_none_or(|place| place > end));
        open.by_ref().count()
    }
}
