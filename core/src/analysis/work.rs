//! What a run is about: the things whose number, rate and latency are compared.

use crate::trace::{Counters, Event, NameId, Phase, RecordKind, Trace};
use std::time::Duration;

/// The spans that count, in a trace: requests, chunks, jobs.
pub(super) struct WorkSpans {
    kind: RecordKind,
    /// Whether only `by` does it: the last of several stages.
    is_stage: bool,
    by: Option<NameId>,
    /// The first of several stages: it begins when that has done it.
    since: Option<NameId>,
    /// Whether they are on record from when they come to their turn, not from when
    /// they were asked for.
    pub(super) excludes_waiting: bool,
    /// What they are called, in the plural.
    pub(super) noun: &'static str,
}

impl WorkSpans {
    /// By the name of the scenario. Of one that is not known: requests.
    pub(super) fn of(trace: &Trace) -> Self {
        let stage = |name, since, noun| WorkSpans {
            kind: RecordKind::Handle,
            is_stage: true,
            by: trace.id(name),
            since,
            excludes_waiting: false,
            noun,
        };
        let spans = |kind, noun| WorkSpans {
            kind,
            is_stage: false,
            by: None,
            since: None,
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

    /// Whether the record is of such a span.
    pub(super) fn has(&self, event: &Event) -> bool {
        event.kind == self.kind && (!self.is_stage || self.by == Some(event.source))
    }

    /// Whether the time in which one is done can be told: of a stage that is the
    /// last of several only if the trace says when the first had begun.
    pub(super) fn has_latency(&self) -> bool {
        !self.is_stage || self.since.is_some()
    }

    /// Whether several may be under way at once.
    pub(super) fn is_concurrent(&self) -> bool {
        !self.is_stage
    }

    /// Every span on record that ended, in that order.
    pub(super) fn ended(&self, trace: &Trace) -> Vec<FinishedSpan> {
        let mut all = Vec::new();
        // When each subject was ready to be passed on. Subjects count from 1.
        let mut ready: Vec<Option<Duration>> = Vec::new();
        for event in &trace.events {
            let place = usize::try_from(event.subject).unwrap_or(usize::MAX);
            if event.phase != Phase::End {
                continue;
            }
            if event.kind == self.kind && Some(event.source) == self.since {
                // Whatever a trace says, its subjects cannot make this large.
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

/// One that is over.
pub(super) struct FinishedSpan {
    pub(super) at: Duration,
    pub(super) took: Duration,
    pub(super) succeeded: bool,
}

/// How many had ended well, whenever that changed: by the totals, so that those that
/// are on no record of their own are in it.
pub(super) fn done(trace: &Trace) -> Vec<(Duration, u64)> {
    let work = WorkSpans::of(trace);
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

/// How many were begun and not ended, whenever that changed. Whoever waits for a
/// busy loop to take note of it is counted from when it came.
pub(super) fn in_flight(trace: &Trace) -> Vec<(Duration, u64)> {
    let work = WorkSpans::of(trace);
    if !work.is_concurrent() {
        return Vec::new();
    }
    let mut totals = WorkTotals::default();
    let mut known = 0;
    let mut changes: Vec<(Duration, i64)> = Vec::new();
    for event in &trace.events {
        if !totals.apply(&work, event) {
            continue;
        }
        // By the totals: where single records are missing, it is right again with
        // the next one.
        let now = i64::try_from(totals.sum().in_flight()).unwrap_or(i64::MAX);
        changes.push((event.recorded_at(), now - known));
        known = now;
        if event.phase == Phase::Begin && event.duration > Duration::ZERO {
            changes.extend([(event.at, 1), (event.recorded_at(), -1)]);
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

/// WorkTotals of the work of all who do it, as far as a trace was read. They are
/// right even where single records are missing.
#[derive(Default)]
pub(super) struct WorkTotals(Vec<(NameId, Counters)>);

impl WorkTotals {
    /// Takes in the next record; whether it was one of the work's.
    pub(super) fn apply(&mut self, work: &WorkSpans, event: &Event) -> bool {
        // What was only counted since its last span of record stands in the result
        // that a source comes to.
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

    /// Their sum.
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
