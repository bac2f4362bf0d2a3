//! The numbers of a run, as they are read.

use super::{FRONT, REFUSED, facts::Facts};
use crate::{
    scenario::{
        fleet::LOST,
        scaling::{dash, milliseconds},
    },
    trace::{Kind, Trace},
};
use std::time::Duration;

/// Each number with what it counts.
pub(in crate::scenario) fn figures(trace: &Trace) -> Vec<(String, String)> {
    let facts = Facts::of(trace);
    let number = |count: usize| count.to_string();
    let died = facts.lives.iter().filter(|life| life.has_died());
    let in_flight = died.clone().map(|life| life.in_flight).sum();
    let arrived = facts.served().iter().filter(|it| it.begin.is_some());
    let is_open = |it: &&super::facts::Served| it.ends == 0;
    let open = arrived.clone().filter(is_open).count();
    let summary = trace.summary();
    let front = trace.id(FRONT);
    let latency = |percent| {
        let known = front.and_then(|id| summary.percentile(id, percent));
        known.map_or_else(dash, milliseconds)
    };
    let shares = facts.lives.iter().map(|life| number(life.calls));
    let at = |place: usize| trace.events.get(place).map(|event| event.at);
    let reload = facts.reload.as_ref().and_then(|reload| {
        let (end, _) = reload.end?;
        Some(at(end)?.saturating_sub(at(reload.begin)?))
    });
    let rows: [(&str, String); 13] = [
        ("Requests", number(arrived.count())),
        ("Answered", number(facts.ended_with(None))),
        ("Lost in flight", number(facts.ended_with(Some(LOST)))),
        ("Refused", number(facts.ended_with(Some(REFUSED)))),
        ("In flight now", number(open)),
        ("Request p50", latency(50)),
        ("Request p99", latency(99)),
        ("Workers that died", number(died.count())),
        ("In flight on them", number(in_flight)),
        ("Processes started", number(facts.lives.len())),
        ("Requests by process", shares.collect::<Vec<_>>().join(", ")),
        ("Reload", reload.map_or_else(dash, milliseconds)),
        ("Longest without a heartbeat", silence(trace)),
    ];
    let rows = rows.into_iter();
    rows.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// The longest that a worker which was ready gave no sign of life.
fn silence(trace: &Trace) -> String {
    let mut latest: Vec<Option<Duration>> = vec![None; trace.names.len()];
    let mut longest = Duration::ZERO;
    for event in &trace.events {
        let worker = match event.kind {
            Kind::Start if event.subject > 0 => event.source,
            Kind::Beat | Kind::Handle | Kind::Exit => event.source,
            _ => continue,
        };
        let Some(seen) = latest.get_mut(worker.index()) else {
            continue;
        };
        let now = event.recorded_at();
        if let Some(before) = seen.replace(now) {
            longest = longest.max(now.saturating_sub(before));
        }
        if event.kind == Kind::Exit {
            *seen = None;
        }
    }
    if longest.is_zero() {
        return dash();
    }
    milliseconds(longest)
}
