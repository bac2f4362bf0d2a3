//! A trace summary for the checks.

use super::{BUFFER, DESTINATION, SOURCE};
use crate::trace::{Event, Phase, RecordKind, Trace};

/// A summary of a trace, collected in one pass.
#[derive(Default)]
pub(super) struct BackpressureSummary {
    /// The high-water mark, in bytes.
    pub(super) mark: u64,
    /// The size of a chunk, in bytes.
    pub(super) chunk: u64,
    /// Numbers of the chunks written by the source.
    pub(super) written: Vec<u64>,
    /// Numbers of the chunks received by the destination.
    pub(super) received: Vec<u64>,
    pub(super) dropped: u64,
    pub(super) refused: u64,
    /// The peak level during the first and the second half of the input, in bytes.
    pub(super) peaks: [u64; 2],
    /// Number of recorded levels that differ from the bytes written but not yet
    /// received.
    pub(super) level_mismatches: usize,
    /// The latest level, in bytes.
    pub(super) level: u64,
    /// The level at the end of each wait, in bytes.
    pub(super) levels_at_resume: Vec<u64>,
    /// Trace index at which the destination failed.
    pub(super) failed: Option<usize>,
    /// Number of chunks written after the failure.
    pub(super) written_after: usize,
    /// Number of ends closed.
    pub(super) closed: usize,
    /// Number of ends opened.
    pub(super) opened: usize,
}

impl BackpressureSummary {
    pub(super) fn of(trace: &Trace) -> Self {
        let number = |key| trace.param(key).parse().unwrap_or(0_u64);
        let chunks = number("chunks");
        let mut summary = BackpressureSummary {
            chunk: number("chunk") * 1024,
            ..BackpressureSummary::default()
        };
        let [source, buffer, destination] =
            [SOURCE, BUFFER, DESTINATION].map(|name| trace.id(name));
        let mut second_half = false;
        for (index, event) in trace.events.iter().enumerate() {
            let by = |id| Some(event.source) == id;
            match event.kind {
                RecordKind::Mark => summary.mark = event.subject,
                RecordKind::Level if by(buffer) => summary.note_level(event.subject, second_half),
                RecordKind::Write if by(source) => {
                    summary.written.push(event.subject);
                    summary.written_after += usize::from(summary.failed.is_some());
                    second_half |= event.subject > chunks / 2;
                }
                RecordKind::Write if by(buffer) => summary.received.push(event.subject),
                RecordKind::Drop => summary.dropped += event.subject,
                RecordKind::Refuse => summary.refused += 1,
                RecordKind::Stall if event.phase == Phase::End && event.failure.is_none() => {
                    summary.levels_at_resume.push(summary.level);
                }
                RecordKind::Open => summary.note_open(event),
                RecordKind::Handle if by(destination) && event.failure.is_some() => {
                    summary.failed = Some(index);
                }
                _ => {}
            }
        }
        summary
    }

    pub(super) fn peak(&self) -> u64 {
        self.peaks[0].max(self.peaks[1])
    }

    fn note_level(&mut self, level: u64, second_half: bool) {
        let backlog = (self.written.len() - self.received.len().min(self.written.len())) as u64;
        self.level_mismatches += usize::from(level != backlog * self.chunk);
        self.level = level;
        let peak = &mut self.peaks[usize::from(second_half)];
        *peak = level.max(*peak);
    }

    fn note_open(&mut self, event: &Event) {
        match event.phase {
            Phase::Begin => self.opened += 1,
            _ => self.closed += 1,
        }
    }
}
