//! The conditions of goals.

use crate::{
    analysis::Measures,
    trace::{Phase, RecordKind, Trace},
};
use std::time::Duration;

/// A predicate over a trace.
#[derive(Debug)]
pub(super) enum Condition {
    /// A measure is at most this.
    AtMost(&'static str, u64),
    /// A measure is at least this.
    AtLeast(&'static str, u64),
    /// A source has at least this many successes.
    Handled(&'static str, u64),
    /// At least this many of a thousand ended requests were answered without the
    /// server's fault.
    Available(u64),
    /// At most this many spans ended with this cause.
    EndedBy(&'static str, u64),
    /// All threads are at least this many hundredths as fast as the loop.
    SpeedUp(u64),
    /// Each added thread is at least a twentieth faster.
    EachThreadHelps,
}

impl Condition {
    /// Returns whether it holds, and the evidence.
    pub(super) fn judge(&self, trace: &Trace, measures: &Measures) -> (bool, String) {
        match *self {
            Condition::AtMost(key, limit) => measured(measures, key, |value| value <= limit),
            Condition::AtLeast(key, limit) => measured(measures, key, |value| value >= limit),
            Condition::Handled(who, least) => {
                let who = trace.id(who);
                let mut latest_first = trace.events.iter().rev();
                let latest = latest_first.find(|event| Some(event.source) == who);
                let handled = latest.map_or(0, |event| event.counters.succeeded);
                (handled >= least, format!("{handled} of {least}"))
            }
            Condition::Available(least) => available(trace, least),
            Condition::EndedBy(cause, most) => {
                let cause = trace.id(cause);
                let records = trace.events.iter();
                let ended = records.filter(|it| it.phase == Phase::End && it.failure == cause);
                let count = cause.map_or(0, |_| ended.count() as u64);
                (count <= most, count.to_string())
            }
            Condition::SpeedUp(least) => speed_up(trace, least),
            Condition::EachThreadHelps => each_thread_helps(trace),
        }
    }
}

fn measured(measures: &Measures, key: &str, is_met: impl Fn(u64) -> bool) -> (bool, String) {
    let Some(measure) = measures.iter().find(|it| it.key == key) else {
        return (false, "not measured".to_owned());
    };
    match measure.value {
        Some(value) => (is_met(value), measure.unit.text(value)),
        None => (false, "not measured".to_owned()),
    }
}

/// Wrong answers, and rejections that are the client's fault, count as available.
fn available(trace: &Trace, least: u64) -> (bool, String) {
    let is_end = |kind, phase| kind == RecordKind::Request && phase == Phase::End;
    let mut over = 0;
    let mut available = 0;
    for event in &trace.events {
        if is_end(event.kind, event.phase) {
            over += 1;
            let cause = event.failure.map(|cause| trace.name(cause));
            available += u64::from(cause.is_none_or(|cause| cause.starts_with('4')));
        }
    }
    let share = (available * 1000).checked_div(over).unwrap_or(0);
    let evidence = format!("{available} of {over} requests");
    (share >= least, evidence)
}

/// Returns the duration of each round of `threads`, starting with the one on the
/// loop.
fn rounds(trace: &Trace) -> Vec<Duration> {
    let is_round = |kind, phase| kind == RecordKind::Handle && phase == Phase::End;
    let events = trace.events.iter();
    let rounds = events.filter(|event| is_round(event.kind, event.phase));
    rounds.map(|event| event.duration).collect()
}

fn speed_up(trace: &Trace, wanted: u64) -> (bool, String) {
    let rounds = rounds(trace);
    let [on_the_loop, .., last] = rounds.as_slice() else {
        return (false, "no threads".to_owned());
    };
    let hundredths = (on_the_loop.as_nanos() * 100).checked_div(last.as_nanos());
    let hundredths = u64::try_from(hundredths.unwrap_or(0)).unwrap_or(0);
    let times = format!("{}.{:02} times", hundredths / 100, hundredths % 100);
    (hundredths >= wanted, times)
}

fn each_thread_helps(trace: &Trace) -> (bool, String) {
    let rounds = rounds(trace);
    let on_threads = rounds.get(1..).unwrap_or_default();
    if on_threads.is_empty() {
        return (false, "no threads".to_owned());
    }
    let helps = |pair: &[Duration]| pair[1] * 20 <= pair[0] * 19;
    match on_threads.windows(2).position(|pair| !helps(pair)) {
        None => (true, format!("up to {} threads", on_threads.len())),
        Some(place) => (false, format!("thread {} does not help", place + 2)),
    }
}
