//! The unit of work of a scenario, whose count, rate and latency are compared.

use crate::{
    latency::{nanos, nearest_rank},
    trace::{Counters, Event, NameId, Phase, RecordKind, Trace},
};
use std::time::Duration;

/// The spans of work in a trace: requests, chunks or jobs.
pub(super) struct WorkSpans {
    kind: RecordKind,
    /// Set if only spans of `last_stage` count.
    is_stage: bool,
    last_stage: Option<NameId>,
    /// The first of several stages. Work begins when that has finished.
    first_stage: Option<NameId>,
    /// Set if spans begin at execution, not at the request, and so exclude waiting.
    pub(super) excludes_waiting: bool,
    /// The plural noun for the items.
    pub(super) noun: &'static str,
}

impl WorkSpans {
    /// Returns the spans of work of a scenario; requests if it is unknown.
    pub(super) fn new(trace: &Trace) -> Self {
        let stage = |name, first_stage, noun| WorkSpans {
            kind: RecordKind::Handle,
            is_stage: true,
            last_stage: trace.id(name),
            first_stage,
            excludes_waiting: false,
            noun,
        };
        let spans = |kind, noun| WorkSpans {
            kind,
            is_stage: false,
            last_stage: None,
            first_stage: None,
            excludes_waiting: kind == RecordKind::Compute,
            noun,
        };
        match trace.scenario.as_str() {
            "backpressure" => stage("Destination", trace.id("Source"), "chunks"),
            "pipeline" => stage("Write", None, "batches"),
            "threads" => spans(RecordKind::Compute, "jobs"),
            "observer" => spans(RecordKind::Request, "readings"),
            "decoupling" => spans(RecordKind::Request, "sign-ups"),
            _ => spans(RecordKind::Request, "requests"),
        }
    }

    /// Returns whether the record is of such a span.
    pub(super) fn has(&self, event: &Event) -> bool {
        event.kind == self.kind && (!self.is_stage || self.last_stage == Some(event.source))
    }

    /// Returns whether latency is known: for the last of several stages, only if the
    /// trace identifies the first one.
    pub(super) fn has_latency(&self) -> bool {
        !self.is_stage || self.first_stage.is_some()
    }

    /// Returns the time at which the item of the record arrived at the queue, if this is
    /// the record of its arrival.
    pub(super) fn arrival(&self, event: &Event) -> Option<Duration> {
        match (self.is_stage, event.phase) {
            (false, Phase::Begin) if self.has(event) => Some(event.at),
            (true, Phase::End)
                if event.kind == self.kind && Some(event.source) == self.first_stage =>
            {
                Some(event.recorded_at())
            }
            _ => None,
        }
    }

    /// Returns whether the record is of the handling of an item, after its wait.
    pub(super) fn is_service(&self, event: &Event) -> bool {
        event.kind == RecordKind::Handle && (!self.is_stage || self.has(event))
    }

    /// Returns whether several spans can be open at once.
    pub(super) fn is_concurrent(&self) -> bool {
        !self.is_stage
    }

    /// Returns every recorded span that ended, in order.
    pub(super) fn ended(&self, trace: &Trace) -> Vec<FinishedSpan> {
        let mut all = Vec::new();
        // The time at which each subject left the first stage. Subjects count from 1.
        let mut ready: Vec<Option<Duration>> = Vec::new();
        for event in &trace.events {
            let place = usize::try_from(event.subject).unwrap_or(usize::MAX);
            if event.phase != Phase::End {
                continue;
            }
            if event.kind == self.kind && Some(event.source) == self.first_stage {
                // Bounded, so that a malformed trace cannot allocate much.
                if place < trace.events.len() {
                    ready.resize(ready.len().max(place + 1), None);
                    ready[place] = Some(event.recorded_at());
                }
            }
            if self.has(event) {
                let at = event.recorded_at();
                let began = ready.get(place).copied().flatten().unwrap_or(event.at);
                all.push(FinishedSpan {
                    at,
                    took: at.saturating_sub(began),
                    succeeded: event.failure.is_none(),
                });
            }
        }
        all
    }
}

/// Returns the latencies in nanoseconds, and the sample size if not all successes
/// were recorded.
pub(super) fn latencies(trace: &Trace, done: u64) -> (Option<u64>, [Option<u64>; 3]) {
    let work = WorkSpans::new(trace);
    let ended = work.ended(trace).into_iter();
    let mut durations: Vec<_> = ended
        .filter(|it| it.succeeded)
        .map(|it| nanos(it.took))
        .collect();
    let on_record = durations.len() as u64;
    let sample = (on_record < done).then_some(on_record);
    if !work.has_latency() {
        durations.clear();
    }
    let within = |permille| nearest_rank(&durations, permille);
    (sample, [500, 990, 999].map(within))
}

/// A span that ended.
pub(super) struct FinishedSpan {
    pub(super) at: Duration,
    pub(super) took: Duration,
    pub(super) succeeded: bool,
}

/// Returns the number of successes at each change. It is based on the totals, so it
/// includes spans without records.
pub(super) fn done(trace: &Trace) -> Vec<(Duration, u64)> {
    let work = WorkSpans::new(trace);
    let mut totals = WorkTotals::default();
    let mut counts: Vec<(Duration, u64)> = Vec::new();
    for event in &trace.events {
        let known = counts.last().map_or(0, |last| last.1);
        if totals.apply(&work, event) && totals.sum().succeeded > known {
            counts.push((event.recorded_at(), totals.sum().succeeded));
        }
    }
    counts
}

/// Returns the number in flight at each change. An item that waits for a busy loop
/// counts from its arrival.
pub(super) fn in_flight(trace: &Trace) -> Vec<(Duration, u64)> {
    let work = WorkSpans::new(trace);
    if !work.is_concurrent() {
        return Vec::new();
    }
    let mut totals = WorkTotals::default();
    let mut known = 0;
    let mut changes: Vec<(Duration, i64)> = Vec::new();
    let mut begins = 0;
    for event in &trace.events {
        if !totals.apply(&work, event) {
            continue;
        }
        begins += u64::from(work.has(event) && event.phase == Phase::Begin);
        // Based on the totals: if records are missing, the next record corrects it.
        let now = i64::try_from(totals.sum().in_flight()).unwrap_or(i64::MAX);
        changes.push((event.recorded_at(), now - known));
        known = now;
        if event.phase == Phase::Begin && event.duration > Duration::ZERO {
            changes.extend([(event.at, 1), (event.recorded_at(), -1)]);
        }
    }
    let total = totals.sum().started;
    if begins < total {
        let ended = work.ended(trace);
        // Where only starts are missing, each end also has the start.
        if ended.len() as u64 == total {
            let ends = ended.iter().map(|it| (it.at, -1));
            changes = ends.collect();
            changes.extend(ended.iter().map(|it| (it.at.saturating_sub(it.took), 1)));
        }
    }
    changes.sort_by_key(|change| change.0);
    let mut count = 0;
    let mut counts = Vec::new();
    for at_once in changes.chunk_by(|a, b| a.0 == b.0) {
        count += at_once.iter().map(|change| change.1).sum::<i64>();
        counts.push((at_once[0].0, u64::try_from(count).unwrap_or(0)));
    }
    counts
}

/// The totals of work of all sources, up to some record. They are exact even if
/// records are missing.
#[derive(Default)]
pub(super) struct WorkTotals(Vec<(NameId, Counters)>);

impl WorkTotals {
    /// Adds the next record, and returns whether it concerns work.
    pub(super) fn apply(&mut self, work: &WorkSpans, event: &Event) -> bool {
        // Spans that were only counted since the last recorded one are included in
        // the result record of the source.
        let is_known = self.0.iter().any(|(source, _)| *source == event.source);
        let is_result = is_known && event.kind == RecordKind::Result;
        if !work.has(event) && !is_result {
            return false;
        }
        let mut known = self.0.iter_mut();
        match known.find(|(source, _)| *source == event.source) {
            Some((_, counters)) => *counters = event.counters,
            None => self.0.push((event.source, event.counters)),
        }
        true
    }

    /// Returns the sum over all sources.
    pub(super) fn sum(&self) -> Counters {
        let mut sum = Counters::default();
        for (_, counters) in &self.0 {
            sum.started += counters.started;
            sum.succeeded += counters.succeeded;
            sum.failed += counters.failed;
            sum.sent += counters.sent;
        }
        sum
    }
}
