//! A trace summary for the checks.

use super::names::{BUFFER, DESTINATION, SOURCE};
use crate::trace::{Event, Phase, RecordKind, Trace};

/// A summary of a trace, collected in one pass.
#[derive(Default)]
pub(super) struct BackpressureSummary {
    /// The high-water mark, in bytes.
    pub(super) high_water_mark: u64,
    /// The size of a chunk, in bytes.
    pub(super) chunk: u64,
    /// Numbers of the chunks written by the source.
    pub(super) written: Vec<u64>,
    /// Numbers of the chunks received by the destination.
    pub(super) received: Vec<u64>,
    pub(super) dropped_count: u64,
    pub(super) rejected_count: u64,
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
    pub(super) failed_at: Option<usize>,
    /// Number of chunks written after the failure.
    pub(super) written_after_failure: usize,
    /// Number of ends closed.
    pub(super) closed_count: usize,
    /// Number of ends opened.
    pub(super) opened_count: usize,
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
        let mut is_second_half = false;
        for (index, event) in trace.events.iter().enumerate() {
            let by = |id| Some(event.source) == id;
            match event.kind {
                RecordKind::Mark => summary.high_water_mark = event.subject,
                RecordKind::Level if by(buffer) => summary.add_level(event.subject, is_second_half),
                RecordKind::Write if by(source) => {
                    summary.written.push(event.subject);
                    summary.written_after_failure += usize::from(summary.failed_at.is_some());
                    is_second_half |= event.subject > chunks / 2;
                }
                RecordKind::Write if by(buffer) => summary.received.push(event.subject),
                RecordKind::Drop => summary.dropped_count += event.subject,
                RecordKind::Reject => summary.rejected_count += 1,
                RecordKind::Stall if event.phase == Phase::End && event.failure.is_none() => {
                    summary.levels_at_resume.push(summary.level);
                }
                RecordKind::Open => summary.add_open(event),
                RecordKind::Handle if by(destination) && event.failure.is_some() => {
                    summary.failed_at = Some(index);
                }
                _ => {}
            }
        }
        summary
    }

    pub(super) fn peak(&self) -> u64 {
        self.peaks[0].max(self.peaks[1])
    }

    fn add_level(&mut self, level: u64, is_second_half: bool) {
        let backlog = (self.written.len() - self.received.len().min(self.written.len())) as u64;
        self.level_mismatches += usize::from(level != backlog * self.chunk);
        self.level = level;
        let peak = &mut self.peaks[usize::from(is_second_half)];
        *peak = level.max(*peak);
    }

    fn add_open(&mut self, event: &Event) {
        match event.phase {
            Phase::Begin => self.opened_count += 1,
            _ => self.closed_count += 1,
        }
    }
}
