//! The counts of a run.

use super::work::{WorkSpans, WorkTotals};
use crate::{
    scale::LagMonitor,
    trace::{Event, NameId, Phase, RecordKind, Trace},
};
use std::time::Duration;

/// The counts of one pass over the trace.
#[derive(Default)]
pub(super) struct RunCounts {
    pub(super) totals: WorkTotals,
    pub(super) wrong: u64,
    pub(super) exposed: u64,
    pub(super) retries: u64,
    pub(super) dropped: u64,
    pub(super) rejected: u64,
    pub(super) has_queue: bool,
    pub(super) mark: u64,
    levels: QueueLevels,
    pub(super) most_bytes: u64,
    pub(super) stalled: Option<Duration>,
    processes: Vec<NameId>,
    pub(super) lost: u64,
}

impl RunCounts {
    pub(super) fn new(trace: &Trace) -> Self {
        let work = WorkSpans::new(trace);
        let mut counts = RunCounts::default();
        for event in &trace.events {
            counts.apply(&work, event);
        }
        counts
    }

    fn apply(&mut self, work: &WorkSpans, event: &Event) {
        self.totals.apply(work, event);
        match event.kind {
            RecordKind::Wrong => self.wrong += 1,
            RecordKind::Expose => self.exposed += 1,
            RecordKind::Retry => self.retries += 1,
            RecordKind::Drop => self.dropped += event.subject,
            RecordKind::Reject => self.rejected += 1,
            RecordKind::Mark => {
                self.has_queue = true;
                self.mark += event.subject;
            }
            RecordKind::Level => self.most_bytes = self.most_bytes.max(self.levels.apply(event)),
            RecordKind::Stall if event.phase == Phase::End => {
                *self.stalled.get_or_insert_default() += event.duration;
            }
            // A process switches to starting before it is ready. The records of a
            // supervisor have no process id.
            RecordKind::Start | RecordKind::Switch
                if event.subject > 0 && !self.processes.contains(&event.source) =>
            {
                self.processes.push(event.source);
            }
            RecordKind::Exit if self.processes.contains(&event.source) => {
                self.lost += u64::from(event.failure.is_some());
            }
            _ => {}
        }
    }
}

/// The bytes in every queue.
#[derive(Default)]
pub(super) struct QueueLevels(Vec<(NameId, u64)>);

impl QueueLevels {
    /// Sets the level of one queue and returns the total of all.
    pub(super) fn apply(&mut self, level: &Event) -> u64 {
        let mut known = self.0.iter_mut();
        match known.find(|(source, _)| *source == level.source) {
            Some((_, bytes)) => *bytes = level.subject,
            None => self.0.push((level.source, level.subject)),
        }
        self.0.iter().map(|(_, bytes)| bytes).sum()
    }
}

/// Returns the p99 of the loop lag like the loop's own monitor: a late heartbeat also
/// stands for those that were due while it was late. The delay of each is in its
/// record.
pub(super) fn lag_p99(trace: &Trace) -> Option<Duration> {
    let interval = Duration::from_millis(trace.param("beat").parse().ok()?);
    let beats = trace.events.iter().filter(|event| is_beat(event));
    let monitor = LagMonitor::from_lags(interval, beats.map(|beat| beat.duration));
    (monitor.beats() > 0).then(|| monitor.p99())
}

/// Returns whether the record is a heartbeat of a loop, and not of a process.
pub(super) fn is_beat(event: &Event) -> bool {
    event.kind == RecordKind::Beat && event.phase == Phase::End
}
