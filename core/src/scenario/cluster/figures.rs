//! Figures of a run, for display.

use super::{front::FRONT, request_log::RequestTotals, summary::ClusterSummary};
use crate::{
    scenario::scaling::{dash, milliseconds},
    trace::{RecordKind, Trace},
};
use std::time::Duration;

/// Returns the names and values of a run's figures.
pub(in crate::scenario) fn figures(trace: &Trace) -> Vec<(String, String)> {
    let summary = ClusterSummary::of(trace);
    let number = |count: u64| count.to_string();
    let requests = &summary.requests;
    let RequestTotals {
        sent,
        answered,
        lost,
        rejected,
    } = requests.totals();
    // In a sampled run, only the totals separate lost from rejected requests. A request
    // that waits looks rejected in them.
    let can_reject = summary.given_up.is_some() || summary.reload.is_some() || summary.is_bounded();
    let (lost, rejected) = if can_reject || !requests.is_sample_of_ends() {
        (lost, rejected)
    } else {
        (lost + rejected, 0)
    };
    let failed = summary
        .processes
        .iter()
        .filter(|process| process.has_failed());
    let in_flight = failed.clone().map(|process| process.in_flight).sum();
    let latencies = trace.summary();
    let front = trace.id(FRONT);
    // Figures computed from records cover only the recorded requests.
    let suffix = |is_sample| if is_sample { ", of those recorded" } else { "" };
    let latency = |permille| {
        let value = front.and_then(|id| latencies.permille(id, permille));
        value.map_or_else(dash, milliseconds) + suffix(requests.is_sample_of_ends())
    };
    let calls_by_process = summary
        .processes
        .iter()
        .map(|process| number(process.calls));
    let at = |index: usize| trace.events.get(index).map(|event| event.at);
    let reload = summary.reload.as_ref().and_then(|reload| {
        let (end, _) = reload.end?;
        Some(at(end)?.saturating_sub(at(reload.begin)?))
    });
    let heartbeat_gap = if requests.is_sample() && requests.users == 0 {
        dash()
    } else {
        longest_heartbeat_gap(trace)
    };
    let rows: [(&str, String); 14] = [
        ("Requests", number(sent)),
        ("Answered", number(answered)),
        ("Lost in flight", number(lost)),
        ("Rejected", number(rejected)),
        (
            "In flight now",
            number(sent.saturating_sub(answered + lost + rejected)),
        ),
        ("Request p50", latency(500)),
        ("Request p99", latency(990)),
        ("Request p99.9", latency(999)),
        ("Failed workers", number(failed.count() as u64)),
        (
            "In flight on failed workers",
            number(in_flight) + suffix(requests.is_sample()),
        ),
        ("Processes started", number(summary.processes.len() as u64)),
        (
            "Requests by process",
            calls_by_process.collect::<Vec<_>>().join(", "),
        ),
        ("Reload", reload.map_or_else(dash, milliseconds)),
        ("Longest heartbeat gap", heartbeat_gap),
    ];
    let rows = rows.into_iter();
    rows.map(|(name, value)| (name.to_owned(), value)).collect()
}

/// Returns the longest heartbeat gap of a ready worker.
fn longest_heartbeat_gap(trace: &Trace) -> String {
    let mut latest: Vec<Option<Duration>> = vec![None; trace.names.len()];
    let mut longest = Duration::ZERO;
    for event in &trace.events {
        let worker = match event.kind {
            RecordKind::Start if event.subject > 0 => event.source,
            // A failed request ends after its worker's exit.
            RecordKind::Handle if event.failure.is_some() => continue,
            RecordKind::Beat | RecordKind::Handle | RecordKind::Exit => event.source,
            _ => continue,
        };
        let Some(last_seen) = latest.get_mut(worker.index()) else {
            continue;
        };
        let now = event.recorded_at();
        if let Some(previous) = last_seen.replace(now) {
            longest = longest.max(now.saturating_sub(previous));
        }
        if event.kind == RecordKind::Exit {
            *last_seen = None;
        }
    }
    if longest.is_zero() {
        return dash();
    }
    milliseconds(longest)
}
