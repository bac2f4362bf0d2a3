//! Figures of a scaling scenario's run, for display.

use super::{
    HEARTBEAT, REQUESTS, ScalingSummary,
    format::{dash, milliseconds},
};
use crate::{
    latency::nanos,
    scale::LagMonitor,
    scenario::cluster,
    trace::{Event, Phase, RecordKind, Trace},
};
use std::time::Duration;

/// Returns the names and values of a trace's figures, for display. The trace may be
/// incomplete. Traces of other scenarios have no figures.
///
/// For `blocking`, the figures are loop lag and the outcomes of requests and jobs. For
/// `threads`, they are the duration and speed-up of each round, or the job size from
/// which threads pay off. For `cluster`, they are the outcomes of requests and worker
/// processes.
///
/// ```
/// use highwater::scenario::{self, scaling_figures};
///
/// let trace = scenario::find("threads")?.experiment().simulate();
/// let figures = scaling_figures(&trace);
/// assert_eq!(figures[4].0, "4 threads");
/// assert!(figures[4].1.starts_with("3.99 times as fast"), "{figures:?}");
/// # Ok::<(), scenario::InputError>(())
/// ```
#[must_use]
pub fn figures(trace: &Trace) -> Vec<(String, String)> {
    match trace.scenario.as_str() {
        "blocking" => blocking_figures(trace),
        "threads" if trace.param("measure") == "speed-up" => speed_up_figures(&rounds(trace)),
        "threads" => break_even_figures(&rounds(trace)),
        "cluster" => cluster::figures(trace),
        _ => Vec::new(),
    }
}

fn blocking_figures(trace: &Trace) -> Vec<(String, String)> {
    let summary = ScalingSummary::of(trace);
    let heartbeat = trace.id(HEARTBEAT);
    let is_beat = |event: &&Event| {
        let is_end = event.phase == Phase::End;
        event.kind == RecordKind::Beat && is_end && Some(event.source) == heartbeat
    };
    let beats = trace.events.iter().filter(is_beat);
    let monitor = LagMonitor::from_lags(summary.interval, beats.map(|beat| beat.duration));
    let requests = trace.id(REQUESTS);
    let latencies = trace.summary();
    let latency = |percent| {
        let value = requests.and_then(|id| latencies.percentile(id, percent));
        value.map_or_else(dash, milliseconds)
    };
    let rows: [(&str, String); 14] = [
        ("Loop lag p50", milliseconds(monitor.p50())),
        ("Loop lag p99", milliseconds(monitor.p99())),
        ("Loop lag, max", milliseconds(monitor.max())),
        ("Heartbeats", monitor.beats().to_string()),
        ("Heartbeats missed", monitor.missed().to_string()),
        ("Request p50", latency(50)),
        ("Request p99", latency(99)),
        ("Requests", summary.requests.to_string()),
        ("Answered", summary.answered.to_string()),
        ("Rejected", summary.rejected.to_string()),
        ("Jobs on the loop", summary.loop_jobs.to_string()),
        ("Jobs on threads", summary.offloaded_jobs.to_string()),
        ("Threads", summary.threads.to_string()),
        ("Jobs in the pool, max", summary.max_accepted.to_string()),
    ];
    rows.map(|(name, value)| (name.to_owned(), value)).into()
}

/// A measured round of jobs.
struct Round<'a> {
    name: &'a str,
    subject: u64,
    took: Duration,
}

fn rounds(trace: &Trace) -> Vec<Round<'_>> {
    let ends = trace
        .events
        .iter()
        .filter(|it| it.kind == RecordKind::Handle && it.phase == Phase::End);
    ends.map(|event| Round {
        name: trace.name(event.source),
        subject: event.subject,
        took: event.duration,
    })
    .collect()
}

fn speed_up_figures(rounds: &[Round<'_>]) -> Vec<(String, String)> {
    let base = rounds.first().map_or(Duration::ZERO, |round| round.took);
    let row = |round: &Round<'_>| {
        let took = milliseconds(round.took);
        let text = match round.subject {
            0 => took,
            _ => [&ratio(base, round.took), " times as fast, ", &took].concat(),
        };
        (round.name.to_owned(), text)
    };
    rounds.iter().map(row).collect()
}

fn break_even_figures(rounds: &[Round<'_>]) -> Vec<(String, String)> {
    let mut rows = Vec::new();
    let mut pays_from = None;
    for pair in rounds.chunks_exact(2) {
        let [on_the_loop, on_threads] = [&pair[0], &pair[1]];
        let size = micros(on_the_loop.subject);
        if on_threads.took >= on_the_loop.took {
            pays_from = None;
        } else if pays_from.is_none() {
            pays_from = Some(size.clone());
        }
        let text = [
            "loop ",
            &milliseconds(on_the_loop.took),
            ", threads ",
            &milliseconds(on_threads.took),
        ];
        rows.push((["Jobs of ", &size].concat(), text.concat()));
    }
    let never = || "not in this range".to_owned();
    let pays_from = pays_from.unwrap_or_else(never);
    rows.push(("Threads pay off from".to_owned(), pays_from));
    rows
}

fn micros(micros: u64) -> String {
    format!("{micros} µs")
}

fn ratio(base: Duration, took: Duration) -> String {
    let hundredths = nanos(base).saturating_mul(100) / nanos(took).max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}
